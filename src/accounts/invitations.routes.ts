import { Type } from 'typebox';
import { KEY_OR_COOKIE } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Accounts } from './accounts.ts';
import { callerOf } from './authenticate.ts';
import * as schemas from './auth.schemas.ts';
import { listInvitations } from './invitations.repository.ts';
import { invite, revokeInvitation } from './sign-up.ts';

/** `/api/v1/auth/invitations`: whom admins let in. On a server that knows its callers. */
export function registerInvitationRoutes(server: Server, { accounts }: { accounts: Accounts }): void {
  const common = { tags: ['Accounts'], security: KEY_OR_COOKIE };
  const config = { scope: 'admin' } as const;

  server.post(
    '/auth/invitations',
    {
      config,
      schema: {
        ...common,
        operationId: 'createInvitation',
        summary: 'Invite somebody to sign up',
        description: 'For admins. Another one for the same address takes the place of the first.',
        body: schemas.InviteBody,
        response: { 201: Success(schemas.NewInvitationSchema), ...failures([400, 403, 409]) },
      },
    },
    async (request, reply) => {
      const data = await invite(accounts, callerOf(request), request.body.email, request.ip);
      void reply.code(201).header('cache-control', 'no-store');
      return { success: true as const, data };
    },
  );

  server.get(
    '/auth/invitations',
    {
      config,
      schema: {
        ...common,
        operationId: 'listInvitations',
        summary: 'Who is invited and has not come yet',
        response: { 200: Success(Type.Array(schemas.InvitationSchema)), ...failures([403]) },
      },
    },
    async () => {
      const rows = await listInvitations(accounts.db, new Date(accounts.clock.now()));
      const data = rows.map(({ id, email, expires_at: expiresAt }) => ({
        invitationId: id,
        email,
        expiresAt: expiresAt.toISOString(),
      }));
      return { success: true as const, data };
    },
  );

  server.delete(
    '/auth/invitations/:invitationId',
    {
      config,
      schema: {
        ...common,
        operationId: 'revokeInvitation',
        summary: 'Take an invitation back',
        params: schemas.InvitationId,
        response: { 200: Success(schemas.Done), ...failures([403, 404]) },
      },
    },
    async (request) => {
      await revokeInvitation(accounts, callerOf(request), request.params.invitationId, request.ip);
      return schemas.DONE;
    },
  );
}
