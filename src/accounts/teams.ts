import type { Transaction } from 'kysely';
import { AppError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import type { Accounts } from './accounts.ts';
import { type Act, actor } from './actor.ts';
import { appendAudit } from './audit.repository.ts';
import type { Principal } from './principal.ts';
import { deleteInvitationsBy } from './team-invitations.repository.ts';
import {
  countOwners,
  deleteMember,
  deleteTeam,
  findRole,
  hasHistory,
  insertTeam,
  listTeams,
  lockTeam,
  renameTeam,
  setRole,
  type Team,
  type TeamRole,
} from './teams.repository.ts';

/** So that the list of them needs no pages. */
const MAX_TEAMS = 100;
const FOREIGN_KEY_VIOLATION = '23503';
const RANK: Record<TeamRole, number> = { member: 0, admin: 1, owner: 2 };

/** Throws `team_not_found`, also when the caller is no member: what is not theirs does not exist. */
export async function getTeam(
  { db }: Pick<Accounts, 'db'>,
  caller: Principal,
  teamId: string,
): Promise<Team> {
  const [team] = await listTeams(db, caller.userId, teamId);
  if (!team) throw new AppError('team_not_found');
  return team;
}

/** The caller's role, if it is at least this one. Throws `team_not_found`, `forbidden`. */
export async function requireRole(
  db: Accounts['db'] | Transaction<DB>,
  caller: Principal,
  teamId: string,
  least: TeamRole,
): Promise<TeamRole> {
  const role = await findRole(db, teamId, caller.userId);
  if (!role) throw new AppError('team_not_found');
  if (RANK[role] >= RANK[least]) return role;
  throw new AppError('forbidden', {
    message: `Only ${least === 'owner' ? 'an owner' : 'an owner or admin'} of the team may do that.`,
  });
}

export async function createTeam(accounts: Accounts, act: Act, name: string): Promise<Team> {
  const { db } = accounts;
  const { caller } = act;
  if ((await listTeams(db, caller.userId)).length >= MAX_TEAMS)
    throw new AppError('invalid_request', { message: `One person can be in ${MAX_TEAMS} teams at most.` });
  const teamId = await db.transaction().execute(async (tx) => {
    const id = await insertTeam(tx, { name, userId: caller.userId }, new Date(accounts.clock.now()));
    await audit(accounts, tx, act, 'team.created', id, { name });
    return id;
  });
  return getTeam(accounts, caller, teamId);
}

export async function rename(accounts: Accounts, act: Act, teamId: string, name: string): Promise<Team> {
  await change(accounts, act, teamId, 'admin', async (tx) => {
    await renameTeam(tx, teamId, name);
    await audit(accounts, tx, act, 'team.renamed', teamId, { name });
  });
  return getTeam(accounts, act.caller, teamId);
}

/** Throws `team_not_empty`. */
export async function removeTeam(accounts: Accounts, act: Act, teamId: string): Promise<void> {
  try {
    await change(accounts, act, teamId, 'owner', async (tx) => {
      if (await hasHistory(tx, teamId)) throw new AppError('team_not_empty');
      await deleteTeam(tx, teamId);
      await audit(accounts, tx, act, 'team.deleted', teamId, {});
    });
  } catch (error) {
    if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) throw new AppError('team_not_empty');
    throw error;
  }
  accounts.sessions.forget();
}

/** Nobody gives or takes what is above themselves. Throws `member_not_found`, `forbidden`, `last_owner`. */
export async function changeRole(
  accounts: Accounts,
  act: Act,
  { teamId, userId, role }: { teamId: string; userId: string; role: TeamRole },
): Promise<void> {
  await change(accounts, act, teamId, 'admin', async (tx, mine) => {
    const theirs = await memberBelow(tx, { teamId, userId, mine, role });
    if (theirs === 'owner' && role !== 'owner') await keepAnOwner(tx, teamId);
    await setRole(tx, teamId, userId, role);
    if (RANK[role] < RANK[theirs]) await deleteInvitationsBy(tx, teamId, userId);
    await audit(accounts, tx, act, 'team.role_changed', teamId, { userId, from: theirs, to: role });
  });
  accounts.sessions.forget(userId);
}

/** Removes a member, or lets the caller leave. Throws `member_not_found`, `forbidden`, `last_owner`. */
export async function removeMember(
  accounts: Accounts,
  act: Act,
  { teamId, userId }: { teamId: string; userId: string },
): Promise<void> {
  const leaves = userId === act.caller.userId;
  await change(accounts, act, teamId, leaves ? 'member' : 'admin', async (tx, mine) => {
    const theirs = await memberBelow(tx, { teamId, userId, mine, role: 'member' });
    if (theirs === 'owner') await keepAnOwner(tx, teamId);
    await deleteMember(tx, teamId, userId);
    await deleteInvitationsBy(tx, teamId, userId);
    await audit(accounts, tx, act, leaves ? 'team.left' : 'team.member_removed', teamId, {
      userId,
      role: theirs,
    });
  });
  accounts.sessions.forget(userId);
}

/** A change of a team by one of its members who may: one after the other. */
export async function change<Result>(
  { db }: Pick<Accounts, 'db'>,
  { caller }: Act,
  teamId: string,
  least: TeamRole,
  work: (tx: Transaction<DB>, mine: TeamRole) => Promise<Result>,
): Promise<Result> {
  return db.transaction().execute(async (tx) => {
    if (!(await lockTeam(tx, teamId))) throw new AppError('team_not_found');
    return work(tx, await requireRole(tx, caller, teamId, least));
  });
}

async function memberBelow(
  tx: Transaction<DB>,
  { teamId, userId, mine, role }: { teamId: string; userId: string; mine: TeamRole; role: TeamRole },
): Promise<TeamRole> {
  const theirs = await findRole(tx, teamId, userId);
  if (!theirs) throw new AppError('member_not_found');
  if (RANK[theirs] > RANK[mine] || RANK[role] > RANK[mine])
    throw new AppError('forbidden', { message: 'Only an owner of the team may do that.' });
  return theirs;
}

async function keepAnOwner(tx: Transaction<DB>, teamId: string): Promise<void> {
  if ((await countOwners(tx, teamId)) < 2) throw new AppError('last_owner');
}

export async function audit(
  { clock }: Pick<Accounts, 'clock'>,
  tx: Transaction<DB>,
  act: Act,
  action: string,
  subjectId: string,
  details: JsonObject,
): Promise<void> {
  await appendAudit(tx, { ...actor(act), action, subjectId, details }, new Date(clock.now()));
}
