import { Type } from 'typebox';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { COOKIE_REQUIRED } from '../http/openapi.ts';
import type { Accounts } from './accounts.ts';
import { callerOf } from './authenticate.ts';
import * as schemas from './auth.schemas.ts';
import { changePassword, endSessions, switchSpace, whoAmI } from './own-sessions.ts';
import { listSessions } from './sessions.repository.ts';

/** `/api/v1/auth`: what a signed-in person does about their own account. On a server that knows its callers. */
export function registerOwnSessionRoutes(server: Server, { accounts }: { accounts: Accounts }): void {
  const common = { tags: ['Accounts'], security: COOKIE_REQUIRED };
  const Ended = Type.Object({ ended: Type.Integer() });

  server.get(
    '/auth/sessions',
    {
      config: { scope: 'session' },
      schema: {
        ...common,
        operationId: 'listSessions',
        summary: 'Where you are signed in',
        response: { 200: Success(Type.Array(schemas.SessionSchema)), ...failures([403]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const rows = await listSessions(accounts.db, caller.userId, new Date(accounts.clock.now()));
      const data = rows.map((row) => ({
        sessionId: row.id,
        current: row.id === caller.credentialId,
        address: row.address,
        userAgent: row.user_agent,
        createdAt: row.created_at.toISOString(),
        expiresAt: row.expires_at.toISOString(),
      }));
      return { success: true as const, data };
    },
  );

  server.delete(
    '/auth/sessions',
    {
      config: { scope: 'session' },
      schema: {
        ...common,
        operationId: 'endOtherSessions',
        summary: 'Sign out everywhere else',
        response: { 200: Success(Ended), ...failures([403]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const ended = await endSessions(accounts, caller, undefined, request.ip);
      return { success: true as const, data: { ended } };
    },
  );

  server.delete(
    '/auth/sessions/:sessionId',
    {
      config: { scope: 'session' },
      schema: {
        ...common,
        operationId: 'endSession',
        summary: 'End one of your sessions',
        params: schemas.SessionId,
        response: { 200: Success(Ended), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const ended = await endSessions(accounts, caller, request.params.sessionId, request.ip);
      return { success: true as const, data: { ended } };
    },
  );

  server.post(
    '/auth/password/change',
    {
      config: { scope: 'session' },
      schema: {
        ...common,
        operationId: 'changePassword',
        summary: 'Change your password',
        description: 'All other sessions end.',
        body: schemas.ChangePasswordBody,
        response: { 200: Success(schemas.Done), ...failures([400, 403]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      await changePassword(accounts, caller, request.body, request.ip);
      return schemas.DONE;
    },
  );

  server.post(
    '/auth/switch',
    {
      config: { scope: 'session' },
      schema: {
        ...common,
        operationId: 'switchSpace',
        summary: 'Work in a team, or for yourself',
        description:
          'Holds for this session until it is switched again. Once you are no member any more, you are on your own.',
        body: schemas.SwitchBody,
        response: { 200: Success(schemas.MeSchema), ...failures([400, 403, 404]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const switched = await switchSpace(accounts, caller, request.body.teamId);
      return { success: true as const, data: await whoAmI(accounts, switched) };
    },
  );
}
