import { sql, type Transaction } from 'kysely';
import { newId } from '../core/ids.ts';
import type { Db } from '../database/open.ts';
import type { DB } from '../database/schema.ts';

export type TeamRole = 'owner' | 'admin' | 'member';

/** A team as one of its members sees it. */
export interface Team {
  teamId: string;
  name: string;
  role: TeamRole;
  members: number;
  createdAt: Date;
}

/** The teams of a person, or one of them. */
export async function listTeams(db: Db, userId: string, teamId?: string): Promise<Team[]> {
  return db
    .selectFrom('team_members as me')
    .innerJoin('teams', 'teams.id', 'me.team_id')
    .select((eb) => [
      'teams.id as teamId',
      'teams.name as name',
      'teams.created_at as createdAt',
      'me.role as role',
      eb
        .selectFrom('team_members as all')
        .select((inner) => inner.fn.countAll<number>().as('count'))
        .whereRef('all.team_id', '=', 'teams.id')
        .$asScalar()
        .$notNull()
        .as('members'),
    ])
    .where('me.user_id', '=', userId)
    .$if(teamId !== undefined, (query) => query.where('teams.id', '=', teamId ?? ''))
    .orderBy('teams.name')
    .orderBy('teams.id')
    .execute();
}

/** Changes of who belongs to a team happen one after the other; false when there is no such team. */
export async function lockTeam(tx: Transaction<DB>, teamId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('teams')
    .select('id')
    .where('id', '=', teamId)
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

export async function insertTeam(
  tx: Transaction<DB>,
  { name, userId }: { name: string; userId: string },
  now: Date,
): Promise<string> {
  const id = newId('team');
  await tx.insertInto('teams').values({ id, name, slug: id, created_at: now }).execute();
  await insertMember(tx, { teamId: id, userId, role: 'owner' }, now);
  return id;
}

/** False when they are a member already. */
export async function insertMember(
  tx: Transaction<DB>,
  { teamId, userId, role }: { teamId: string; userId: string; role: TeamRole },
  now: Date,
): Promise<boolean> {
  const row = await tx
    .insertInto('team_members')
    .values({ id: newId('mem'), team_id: teamId, user_id: userId, role, created_at: now })
    .onConflict((conflict) => conflict.columns(['team_id', 'user_id']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

export async function renameTeam(db: Db, teamId: string, name: string): Promise<void> {
  await db.updateTable('teams').set({ name }).where('id', '=', teamId).execute();
}

/** Whether anything of a team's must outlive it: jobs and batches, also those in the trash, and what it was charged. */
export async function hasHistory(db: Db, teamId: string): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select exists (select from jobs where owner_id = ${teamId})
      or exists (select from batches where owner_id = ${teamId})
      or exists (select from assets where owner_id = ${teamId})
      or exists (select from ledger where owner_id = ${teamId}) as has`.execute(db);
  return rows[0]?.has === true;
}

/** With all that names it alone. Throws PostgreSQL's foreign key violation when a job got in between. */
export async function deleteTeam(tx: Transaction<DB>, teamId: string): Promise<void> {
  await tx.deleteFrom('teams').where('id', '=', teamId).execute();
  await tx.deleteFrom('owners').where('id', '=', teamId).execute();
}

export async function listMembers(db: Db, teamId: string) {
  return db
    .selectFrom('team_members')
    .innerJoin('users', 'users.id', 'team_members.user_id')
    .select([
      'users.id as userId',
      'users.name as name',
      'users.email as email',
      'team_members.role as role',
      'team_members.created_at as createdAt',
    ])
    .where('team_members.team_id', '=', teamId)
    .orderBy('team_members.created_at')
    .orderBy('team_members.id')
    .execute();
}

export async function findRole(db: Db, teamId: string, userId: string): Promise<TeamRole | undefined> {
  const row = await db
    .selectFrom('team_members')
    .select('role')
    .where('team_id', '=', teamId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return row?.role;
}

export async function countOwners(db: Db, teamId: string): Promise<number> {
  const { count } = await db
    .selectFrom('team_members')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('team_id', '=', teamId)
    .where('role', '=', 'owner')
    .executeTakeFirstOrThrow();
  return count;
}

export async function setRole(db: Db, teamId: string, userId: string, role: TeamRole): Promise<void> {
  await db
    .updateTable('team_members')
    .set({ role })
    .where('team_id', '=', teamId)
    .where('user_id', '=', userId)
    .execute();
}

export async function deleteMember(db: Db, teamId: string, userId: string): Promise<void> {
  await db.deleteFrom('team_members').where('team_id', '=', teamId).where('user_id', '=', userId).execute();
}
