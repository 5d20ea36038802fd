import { Type } from 'typebox';
import { COOKIE_REQUIRED, KEY_OR_COOKIE } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Accounts } from './accounts.ts';
import { Done, DONE } from './auth.schemas.ts';
import { actOf } from './actor.ts';
import { callerOf } from './authenticate.ts';
import { changeRole, createTeam, getTeam, removeMember, removeTeam, rename } from './teams.ts';
import { listMembers, listTeams, type Team } from './teams.repository.ts';
import * as schemas from './teams.schemas.ts';

/** `/api/v1/teams`, on a server that knows its callers. */
export function registerTeamRoutes(server: Server, { accounts }: { accounts: Accounts }): void {
  // Keys look; people change who belongs together.
  const reads = { tags: ['Teams'], security: KEY_OR_COOKIE };
  const changes = { tags: ['Teams'], security: COOKIE_REQUIRED };

  server.get(
    '/teams',
    {
      schema: {
        ...reads,
        operationId: 'listTeams',
        summary: 'Your teams, by name',
        response: { 200: Success(Type.Array(schemas.TeamSchema)), ...failures([]) },
      },
    },
    async (request) => {
      const teams = await listTeams(accounts.db, callerOf(request).userId);
      return { success: true as const, data: teams.map(view) };
    },
  );

  server.post(
    '/teams',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'createTeam',
        summary: 'Create a team',
        description: 'You are its owner.',
        body: schemas.TeamBody,
        response: { 201: Success(schemas.TeamSchema), ...failures([400, 403]) },
      },
    },
    async (request, reply) => {
      const team = await createTeam(accounts, actOf(request), request.body.name);
      void reply.code(201).header('location', `/api/v1/teams/${team.teamId}`);
      return { success: true as const, data: view(team) };
    },
  );

  server.get(
    '/teams/:teamId',
    {
      schema: {
        ...reads,
        operationId: 'getTeam',
        summary: 'Get a team',
        params: schemas.TeamId,
        response: { 200: Success(schemas.TeamSchema), ...failures([404]) },
      },
    },
    async (request) => {
      const team = await getTeam(accounts, callerOf(request), request.params.teamId);
      return { success: true as const, data: view(team) };
    },
  );

  server.patch(
    '/teams/:teamId',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'renameTeam',
        summary: 'Rename a team',
        description: 'For its owners and admins.',
        params: schemas.TeamId,
        body: schemas.TeamBody,
        response: { 200: Success(schemas.TeamSchema), ...failures([400, 403, 404]) },
      },
    },
    async (request) => {
      const team = await rename(accounts, actOf(request), request.params.teamId, request.body.name);
      return { success: true as const, data: view(team) };
    },
  );

  server.delete(
    '/teams/:teamId',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'deleteTeam',
        summary: 'Delete an empty team',
        description:
          'For its owners. A team that has videos, also in the trash, or was charged for some, stays.',
        params: schemas.TeamId,
        response: { 200: Success(Done), ...failures([403, 404, 409]) },
      },
    },
    async (request) => {
      await removeTeam(accounts, actOf(request), request.params.teamId);
      return DONE;
    },
  );

  server.get(
    '/teams/:teamId/members',
    {
      schema: {
        ...reads,
        operationId: 'listTeamMembers',
        summary: 'Who belongs to a team',
        params: schemas.TeamId,
        response: { 200: Success(Type.Array(schemas.MemberSchema)), ...failures([404]) },
      },
    },
    async (request) => {
      const { teamId } = request.params;
      await getTeam(accounts, callerOf(request), teamId);
      const members = await listMembers(accounts.db, teamId);
      const data = members.map(({ userId, name, email, role, createdAt }) => ({
        userId,
        name,
        email,
        role,
        createdAt: createdAt.toISOString(),
      }));
      return { success: true as const, data };
    },
  );

  server.patch(
    '/teams/:teamId/members/:userId',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'changeTeamRole',
        summary: 'Change what a member may do',
        description: 'Owners may do everything. Admins invite, remove and change members and admins.',
        params: schemas.MemberId,
        body: schemas.RoleBody,
        response: { 200: Success(Done), ...failures([400, 403, 404, 409]) },
      },
    },
    async (request) => {
      await changeRole(accounts, actOf(request), { ...request.params, role: request.body.role });
      return DONE;
    },
  );

  server.delete(
    '/teams/:teamId/members/:userId',
    {
      config: { scope: 'session' },
      schema: {
        ...changes,
        operationId: 'removeTeamMember',
        summary: 'Remove a member, or leave',
        description: 'With your own id you leave. The videos stay with the team.',
        params: schemas.MemberId,
        response: { 200: Success(Done), ...failures([403, 404, 409]) },
      },
    },
    async (request) => {
      await removeMember(accounts, actOf(request), request.params);
      return DONE;
    },
  );
}

export function view({ createdAt, ...team }: Team) {
  return { ...team, createdAt: createdAt.toISOString() };
}
