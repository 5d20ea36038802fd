import { sql } from 'kysely';
import type { Db } from '../database/open.ts';
import type { Principal } from './principal.ts';

export interface SessionFacts {
  id: string;
  userId: string;
  role: Principal['role'];
  /** The team it works in, while the person is a member. */
  teamId: string | null;
}

/** Whose session this is; nobody's once it is over, or they are locked out. */
export async function findSession(db: Db, tokenHash: string, now: Date): Promise<SessionFacts | undefined> {
  return db
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .leftJoin('team_members', (join) =>
      join
        .onRef('team_members.team_id', '=', 'sessions.active_team_id')
        .onRef('team_members.user_id', '=', 'sessions.user_id'),
    )
    .select([
      'sessions.id as id',
      'users.id as userId',
      'users.role as role',
      'team_members.team_id as teamId',
    ])
    .where('sessions.token_hash', '=', tokenHash)
    .where('sessions.expires_at', '>', now)
    .where('users.disabled_at', 'is', null)
    .executeTakeFirst();
}

export async function listSessions(db: Db, userId: string, now: Date) {
  return db
    .selectFrom('sessions')
    .select(['id', 'created_at', 'updated_at', 'expires_at', 'address', 'user_agent'])
    .where('user_id', '=', userId)
    .where('expires_at', '>', now)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** Ends those of a person that are meant; returns their ids. */
export async function deleteSessions(
  db: Db,
  userId: string,
  which: { id: string } | { allBut: string } | { expiredAt: Date },
): Promise<string[]> {
  let query = db.deleteFrom('sessions').where('user_id', '=', userId);
  if ('id' in which) query = query.where('id', '=', which.id);
  else if ('allBut' in which) query = query.where('id', '<>', which.allBut);
  else query = query.where('expires_at', '<=', which.expiredAt);
  return (await query.returning('id').execute()).map(({ id }) => id);
}

/** Makes a session work in a team, or for the person alone; false when they are no member. */
export async function setActiveTeam(
  db: Db,
  { sessionId, userId, teamId }: { sessionId: string; userId: string; teamId: string | null },
): Promise<boolean> {
  const member = sql<boolean>`exists (select from team_members
    where team_members.team_id = ${teamId} and team_members.user_id = ${userId})`;
  const { numUpdatedRows } = await db
    .updateTable('sessions')
    .set({ active_team_id: teamId })
    .where('id', '=', sessionId)
    .where('user_id', '=', userId)
    .$if(teamId !== null, (query) => query.where(member))
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** What a person may know about themselves. */
export async function findPerson(db: Db, userId: string) {
  const user = await db
    .selectFrom('users')
    .select(['id', 'name', 'email', 'role', 'image'])
    .where('id', '=', userId)
    .executeTakeFirstOrThrow();
  const teams = await db
    .selectFrom('team_members')
    .innerJoin('teams', 'teams.id', 'team_members.team_id')
    .select(['teams.id as teamId', 'teams.name as name', 'team_members.role as role'])
    .where('team_members.user_id', '=', userId)
    .orderBy('teams.name')
    .orderBy('teams.id')
    .execute();
  return { user, teams };
}
