import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Accounts } from './accounts.ts';
import { type Authenticate, callerOf } from './authenticate.ts';
import * as schemas from './auth.schemas.ts';
import { requireOwnOrigin } from './csrf.ts';
import { createFirstAdmin } from './first-admin.ts';
import { whoAmI } from './own-sessions.ts';
import { needsFirstAdmin } from './people.repository.ts';
import type { Principal } from './principal.ts';
import { authHeaders, forgotPassword, passCookies, resetPassword, signIn, signOut } from './sign-in.ts';
import { acceptInvitation, askToSignUp } from './sign-up.ts';

/** `/api/v1/auth`: what is asked before anybody is known. Register it where no guard stands. */
export function registerAuthRoutes(
  server: Server,
  { accounts, authenticate }: { accounts: Accounts; authenticate: Authenticate },
): void {
  const common = { tags: ['Accounts'] };
  // A session that another site begins in a browser is theirs: what is done in it would be seen by them.
  server.addHook('onRequest', (request, reply, done) => {
    void reply.header('cache-control', 'no-store');
    requireOwnOrigin(request, accounts.publicUrl);
    done();
  });

  server.get(
    '/session',
    {
      schema: {
        ...common,
        operationId: 'getSession',
        summary: 'Who you are, and for whom you work',
        description:
          'Answers also when nobody is signed in, and says whether the first admin is still to be made.',
        response: { 200: Success(schemas.StateSchema), ...failures([]) },
      },
    },
    async (request, reply) => {
      const caller = await whoAsks(request);
      if (caller?.credentialId.startsWith('session_')) {
        // A session in use lives on.
        const { headers } = await accounts.auth.api.getSession({
          headers: authHeaders(request),
          returnHeaders: true,
        });
        passCookies(headers, reply);
      }
      const data = {
        signedIn: caller !== undefined,
        needsFirstAdmin: await needsFirstAdmin(accounts.db),
        signUp: accounts.signUp,
        me: caller ? await whoAmI(accounts, caller) : null,
      };
      return { success: true as const, data };
    },
  );

  server.post(
    '/first-admin',
    {
      schema: {
        ...common,
        operationId: 'createFirstAdmin',
        summary: 'Become the admin of a new server',
        description: 'Once. From another machine with the token that the server printed at its start.',
        body: schemas.FirstAdminBody,
        response: { 201: Success(schemas.MeSchema), ...failures([400, 403, 409]) },
      },
    },
    async (request, reply) => {
      await createFirstAdmin(accounts, request.body, request);
      return begin(request, reply, request.body);
    },
  );

  server.post(
    '/sign-up',
    {
      schema: {
        ...common,
        operationId: 'signUp',
        summary: 'Ask for an account',
        description:
          'With `SIGN_UP=open`. A link is mailed to the address; the answer is the same whether it has an account or not.',
        body: schemas.SignUpBody,
        response: { 202: Success(schemas.Done), ...failures([400, 403]) },
      },
    },
    async (request, reply) => {
      await askToSignUp(accounts, request.body, request.ip);
      void reply.code(202);
      return schemas.DONE;
    },
  );

  server.post(
    '/sign-up/accept',
    {
      schema: {
        ...common,
        operationId: 'acceptInvitation',
        summary: 'Make your account with the token of a link, and sign in',
        body: schemas.AcceptBody,
        response: { 201: Success(schemas.MeSchema), ...failures([400, 409]) },
      },
    },
    async (request, reply) => {
      const { email } = await acceptInvitation(accounts, request.body, request.ip);
      return begin(request, reply, { email, password: request.body.password });
    },
  );

  server.post(
    '/sign-in',
    {
      schema: {
        ...common,
        operationId: 'signIn',
        summary: 'Sign in with a password',
        description: 'The answer sets the cookie of the session.',
        body: schemas.SignInBody,
        response: { 200: Success(schemas.MeSchema), ...failures([400, 403]) },
      },
    },
    async (request, reply) => {
      const { remember = true, ...who } = request.body;
      const caller = await signIn(accounts, { ...who, remember }, request, reply);
      return { success: true as const, data: await whoAmI(accounts, caller) };
    },
  );

  server.post(
    '/sign-out',
    {
      schema: {
        ...common,
        operationId: 'signOut',
        summary: 'Sign out',
        response: { 200: Success(schemas.Done), ...failures([403]) },
      },
    },
    async (request, reply) => {
      await signOut(accounts, request, reply);
      return schemas.DONE;
    },
  );

  server.post(
    '/password/forgot',
    {
      schema: {
        ...common,
        operationId: 'forgotPassword',
        summary: 'Have a link mailed to choose a new password with',
        description: 'The answer is the same whether the address has an account or not.',
        body: schemas.ForgotBody,
        response: { 202: Success(schemas.Done), ...failures([400, 403]) },
      },
    },
    async (request, reply) => {
      await forgotPassword(accounts, request.body.email, request.ip);
      void reply.code(202);
      return schemas.DONE;
    },
  );

  server.post(
    '/password/reset',
    {
      schema: {
        ...common,
        operationId: 'resetPassword',
        summary: 'Choose a new password with the token of the link',
        description: 'All sessions end.',
        body: schemas.ResetBody,
        response: { 200: Success(schemas.Done), ...failures([400, 403]) },
      },
    },
    async (request) => {
      await resetPassword(accounts, request.body);
      return schemas.DONE;
    },
  );

  async function begin(
    request: FastifyRequest,
    reply: FastifyReply,
    who: { email: string; password: string },
  ) {
    const caller = await signIn(accounts, { ...who, remember: true }, request, reply);
    void reply.code(201);
    return { success: true as const, data: await whoAmI(accounts, caller) };
  }

  async function whoAsks(request: FastifyRequest): Promise<Principal | undefined> {
    try {
      await authenticate(request);
      return callerOf(request);
    } catch (error) {
      const showsKey = request.headers.authorization ?? request.headers['x-api-key'];
      if (showsKey !== undefined || !(error instanceof AppError) || error.code !== 'unauthorized')
        throw error;
      return undefined;
    }
  }
}
