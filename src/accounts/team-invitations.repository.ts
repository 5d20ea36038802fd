import { sql, type Transaction } from 'kysely';
import type { Db } from '../database/open.ts';
import type { TeamInvitationsTable } from '../database/schema-people.ts';
import type { DB } from '../database/schema.ts';
import type { TeamRole } from './teams.repository.ts';

/** Invites an address, or renews the invitation it has; returns its id. */
export async function upsertTeamInvitation(
  tx: Transaction<DB>,
  invitation: TeamInvitationsTable,
): Promise<string> {
  await tx.deleteFrom('team_invitations').where('expires_at', '<', invitation.created_at).execute();
  const { rows } = await sql<{ id: string }>`
    insert into team_invitations (id, team_id, email, role, invited_by, created_at, expires_at)
    values (${invitation.id}, ${invitation.team_id}, ${invitation.email}, ${invitation.role},
      ${invitation.invited_by}, ${invitation.created_at}, ${invitation.expires_at})
    on conflict (team_id, lower(email)) do update set role = excluded.role, invited_by = excluded.invited_by,
      created_at = excluded.created_at, expires_at = excluded.expires_at
    returning id`.execute(tx);
  return rows[0]?.id ?? invitation.id;
}

function invitations(db: Db, now: Date) {
  return db
    .selectFrom('team_invitations')
    .innerJoin('teams', 'teams.id', 'team_invitations.team_id')
    .innerJoin('users as inviter', 'inviter.id', 'team_invitations.invited_by')
    .select([
      'team_invitations.id as invitationId',
      'teams.id as teamId',
      'teams.name as team',
      'team_invitations.email as email',
      'team_invitations.role as role',
      'inviter.name as invitedBy',
      'team_invitations.expires_at as expiresAt',
    ])
    .where('team_invitations.expires_at', '>', now)
    .orderBy('team_invitations.created_at', 'desc')
    .orderBy('team_invitations.id', 'desc');
}

export async function listTeamInvitations(db: Db, teamId: string, now: Date) {
  return invitations(db, now).where('team_invitations.team_id', '=', teamId).execute();
}

/** What a person was invited to, by the address they have proved; all, or the one of this id. */
export async function listInvitationsFor(db: Db, userId: string, now: Date, id?: string) {
  return invitations(db, now)
    .innerJoin('users as me', (join) =>
      join.on(sql`lower(me.email)`, '=', sql`lower(team_invitations.email)`),
    )
    .where('me.id', '=', userId)
    .where('me.email_verified', '=', true)
    .$if(id !== undefined, (query) => query.where('team_invitations.id', '=', id ?? ''))
    .execute();
}

/** An invitation serves once: undefined when it is gone, else the role that it offered in the end. */
export async function takeTeamInvitation(db: Db, id: string, teamId: string): Promise<TeamRole | undefined> {
  const row = await db
    .deleteFrom('team_invitations')
    .where('id', '=', id)
    .where('team_id', '=', teamId)
    .returning('role')
    .executeTakeFirst();
  return row?.role;
}

/** What somebody promised who may not promise it any more: for a team, or for all. */
export async function deleteInvitationsBy(
  db: Db,
  teamId: string | 'every team',
  userId: string,
): Promise<void> {
  await db
    .deleteFrom('team_invitations')
    .where('invited_by', '=', userId)
    .$if(teamId !== 'every team', (query) => query.where('team_id', '=', teamId))
    .execute();
}
