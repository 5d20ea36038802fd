import { Type } from 'typebox';
import { COOKIE_REQUIRED, KEY_OR_COOKIE } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Accounts } from './accounts.ts';
import { Done, DONE } from './auth.schemas.ts';
import { callerOf } from './authenticate.ts';
import {
  acceptTeamInvitation,
  declineTeamInvitation,
  invitationsOfTeam,
  inviteToTeam,
  revokeTeamInvitation,
} from './team-invitations.ts';
import { listInvitationsFor } from './team-invitations.repository.ts';
import { actOf } from './actor.ts';
import { view } from './teams.routes.ts';
import * as schemas from './teams.schemas.ts';

/** `/api/v1/teams/…/invitations` and `/api/v1/team-invitations`, on a server that knows its callers. */
export function registerTeamInvitationRoutes(server: Server, { accounts }: { accounts: Accounts }): void {
  const reads = { tags: ['Teams'], security: KEY_OR_COOKIE };
  const changes = { tags: ['Teams'], security: COOKIE_REQUIRED };

  server.get(
    '/teams/:teamId/invitations',
    {
      schema: {
        ...reads,
        operationId: 'listInvitationsOfTeam',
        summary: 'Who is invited to a team',
        description: 'For its owners and admins.',
        params: schemas.TeamId,
        response: { 200: Success(Type.Array(schemas.TeamInvitationSchema)), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const found = await invitationsOfTeam(accounts, callerOf(request), request.params.teamId);
      return { success: true as const, data: found.map(viewInvitation) };
    },
  );

  server.post(
    '/teams/:teamId/invitations',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'inviteToTeam',
        summary: 'Invite an address to a team',
        description:
          'Who signs in with this address can accept. Asked again it is the same invitation, renewed.',
        params: schemas.TeamId,
        body: schemas.TeamInviteBody,
        response: { 201: Success(schemas.NewTeamInvitationSchema), ...failures([400, 403, 404, 409]) },
      },
    },
    async (request, reply) => {
      const { email, role = 'member' } = request.body;
      const { teamId } = request.params;
      const invitation = await inviteToTeam(accounts, actOf(request), { teamId, email, role });
      void reply.code(201);
      return { success: true as const, data: viewInvitation(invitation) };
    },
  );

  server.delete(
    '/teams/:teamId/invitations/:invitationId',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'revokeTeamInvitation',
        summary: 'Take an invitation to a team back',
        params: schemas.TeamInvitationId,
        response: { 200: Success(Done), ...failures([403, 404]) },
      },
    },
    async (request) => {
      await revokeTeamInvitation(accounts, actOf(request), request.params);
      return DONE;
    },
  );

  server.get(
    '/team-invitations',
    {
      schema: {
        ...reads,
        operationId: 'listMyTeamInvitations',
        summary: 'Teams you are invited to',
        response: { 200: Success(Type.Array(schemas.TeamInvitationSchema)), ...failures([]) },
      },
    },
    async (request) => {
      const now = new Date(accounts.clock.now());
      const found = await listInvitationsFor(accounts.db, callerOf(request).userId, now);
      return { success: true as const, data: found.map(viewInvitation) };
    },
  );

  server.post(
    '/team-invitations/:invitationId/accept',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'acceptTeamInvitation',
        summary: 'Become a member of the team',
        params: schemas.InvitationId,
        response: { 200: Success(schemas.TeamSchema), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const team = await acceptTeamInvitation(accounts, actOf(request), request.params.invitationId);
      return { success: true as const, data: view(team) };
    },
  );

  server.post(
    '/team-invitations/:invitationId/decline',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'declineTeamInvitation',
        summary: 'Do not become a member',
        params: schemas.InvitationId,
        response: { 200: Success(Done), ...failures([403, 404]) },
      },
    },
    async (request) => {
      await declineTeamInvitation(accounts, actOf(request), request.params.invitationId);
      return DONE;
    },
  );
}

function viewInvitation<Row extends { expiresAt: Date }>(row: Row) {
  return { ...row, expiresAt: row.expiresAt.toISOString() };
}
