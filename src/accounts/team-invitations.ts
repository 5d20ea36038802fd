import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Accounts } from './accounts.ts';
import type { Act } from './actor.ts';
import { findByEmail } from './people.repository.ts';
import type { Principal } from './principal.ts';
import {
  listInvitationsFor,
  listTeamInvitations,
  takeTeamInvitation,
  upsertTeamInvitation,
} from './team-invitations.repository.ts';
import { audit, change, getTeam, requireRole } from './teams.ts';
import { findRole, insertMember, lockTeam, type Team, type TeamRole } from './teams.repository.ts';

const INVITATION_MS = 14 * 24 * 3600_000;
const INVITATIONS_ALLOWED = 50;

/**
 * Invites an address to a team. Only who has proved that address can accept, so its link is no secret; whether it has an account
 * is told to nobody. Throws `already_member`, `forbidden`.
 */
export async function inviteToTeam(
  accounts: Accounts,
  act: Act,
  { teamId, email, role }: { teamId: string; email: string; role: TeamRole },
) {
  const { clock, mailer, baseUrl, throttle } = accounts;
  const now = clock.now();
  const expiresAt = new Date(now + INVITATION_MS);
  const { name } = await getTeam(accounts, act.caller, teamId);
  const least = role === 'owner' ? 'owner' : 'admin';
  // Whoever may not invite uses up nobody's invitations.
  await requireRole(accounts.db, act.caller, teamId, least);
  await throttle.ask('team-invitation', act.address, INVITATIONS_ALLOWED);
  const invitationId = await change(accounts, act, teamId, least, async (tx) => {
    const known = await findByEmail(tx, email);
    if (known && (await findRole(tx, teamId, known.id))) throw new AppError('already_member');
    const id = await upsertTeamInvitation(tx, {
      id: newId('inv'),
      team_id: teamId,
      email,
      role,
      invited_by: act.caller.userId,
      created_at: new Date(now),
      expires_at: expiresAt,
    });
    await audit(accounts, tx, act, 'team.invited', teamId, { invitationId: id, email, role });
    return id;
  });
  const link = `${baseUrl}/teams/join#invitation=${invitationId}`;
  const view = { invitationId, teamId, team: name, email, role, expiresAt };
  if (!mailer.sends) return { ...view, link };
  accounts.afterwards(() =>
    mailer.send({
      to: email,
      subject: `You are invited to the team ${name.replaceAll(/\s+/g, ' ')} at Sora Studio`,
      text: 'Sign in with this address to accept or decline, within 14 days:',
      link,
    }),
  );
  return { ...view, link: null };
}

/** The open invitations of a team, for those who may invite. */
export async function invitationsOfTeam({ db, clock }: Accounts, caller: Principal, teamId: string) {
  await requireRole(db, caller, teamId, 'admin');
  return listTeamInvitations(db, teamId, new Date(clock.now()));
}

/** Throws `invitation_not_found`. */
export async function revokeTeamInvitation(
  accounts: Accounts,
  act: Act,
  { teamId, invitationId }: { teamId: string; invitationId: string },
): Promise<void> {
  await change(accounts, act, teamId, 'admin', async (tx) => {
    if (!(await takeTeamInvitation(tx, invitationId, teamId))) throw new AppError('invitation_not_found');
    await audit(accounts, tx, act, 'team.invitation_revoked', teamId, { invitationId });
  });
}

/** Makes the caller a member. Throws `invitation_not_found`, also when it is for another address. */
export async function acceptTeamInvitation(accounts: Accounts, act: Act, id: string): Promise<Team> {
  const { teamId } = await answer(accounts, act, id, true);
  return getTeam(accounts, act.caller, teamId);
}

export async function declineTeamInvitation(accounts: Accounts, act: Act, id: string): Promise<void> {
  await answer(accounts, act, id, false);
}

async function answer(accounts: Accounts, act: Act, id: string, accepts: boolean) {
  const { db, clock } = accounts;
  const { userId } = act.caller;
  const now = new Date(clock.now());
  return db.transaction().execute(async (tx) => {
    const [invitation] = await listInvitationsFor(tx, userId, now, id);
    // The team first, as everybody does who changes one: then nobody waits for the other.
    if (!invitation || !(await lockTeam(tx, invitation.teamId))) throw new AppError('invitation_not_found');
    const { teamId } = invitation;
    // It may have been renewed for another role until the team was ours.
    const role = await takeTeamInvitation(tx, id, teamId);
    if (!role) throw new AppError('invitation_not_found');
    if (accepts) await insertMember(tx, { teamId, userId, role }, now);
    const action = accepts ? 'team.joined' : 'team.invitation_declined';
    await audit(accounts, tx, act, action, teamId, { userId, invitationId: id, role });
    return { teamId };
  });
}
