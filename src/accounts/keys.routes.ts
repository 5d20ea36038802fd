import { exactMicros } from '../core/money.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { Type } from 'typebox';
import { callerOf } from './authenticate.ts';
import { actOf } from './actor.ts';
import type { KeysService } from './keys.ts';
import * as schemas from './keys.schemas.ts';

/** `/api/v1/keys`: everybody's own. */
export function registerKeyRoutes(server: Server, { keys }: { keys: KeysService }): void {
  const common = { tags: ['Keys'], security: KEY_REQUIRED };
  const config = { scope: ['keys', 'admin'] } as const;

  server.post(
    '/keys',
    {
      config,
      schema: {
        ...common,
        operationId: 'createKey',
        summary: 'Make an API key',
        description:
          'It never may more than the credential it is made with. The key itself is in this answer alone.',
        body: schemas.NewKeyBody,
        response: { 201: Success(schemas.MadeKeySchema), ...failures([400, 403, 404]) },
      },
    },
    async (request, reply) => {
      const made = await keys.create(actOf(request), {
        ...readWish(request.body),
        scopes: request.body.scopes,
        teamId: request.body.teamId,
      });
      void reply
        .code(201)
        .header('location', `/api/v1/keys/${made.key.id}`)
        .header('cache-control', 'no-store');
      return { success: true as const, data: schemas.viewMadeKey(made) };
    },
  );

  server.get(
    '/keys',
    {
      config,
      schema: {
        ...common,
        operationId: 'listKeys',
        summary: 'List your API keys, newest first',
        description: 'Revoked and expired ones too. A key sees none that may do more than it.',
        querystring: schemas.KeysQuery,
        response: {
          200: Type.Object({
            ...Success(Type.Array(schemas.KeySchema)).properties,
            pagination: Type.Object({ hasMore: Type.Boolean() }),
          }),
          ...failures([400, 403]),
        },
      },
    },
    async (request) => {
      const { limit = 50, after } = request.query;
      const found = await keys.list(callerOf(request), { limit, after });
      const pagination = { hasMore: found.hasMore };
      return { success: true as const, data: found.keys.map(schemas.viewKey), pagination };
    },
  );

  server.get(
    '/keys/:keyId',
    {
      config,
      schema: {
        ...common,
        operationId: 'getKey',
        summary: 'Get what is known of an API key',
        params: schemas.KeyId,
        response: { 200: Success(schemas.KeySchema), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const data = schemas.viewKey(await keys.get(callerOf(request), request.params.keyId));
      return { success: true as const, data };
    },
  );

  server.patch(
    '/keys/:keyId',
    {
      config,
      schema: {
        ...common,
        operationId: 'updateKey',
        summary: 'Change an API key',
        description: 'Its name, models, cap and expiry, within what your credential may do. Its scopes stay.',
        params: schemas.KeyId,
        body: schemas.PatchKeyBody,
        response: { 200: Success(schemas.KeySchema), ...failures([400, 403, 404, 409]) },
      },
    },
    async (request) => {
      const changed = await keys.change(actOf(request), request.params.keyId, readWish(request.body));
      return { success: true as const, data: schemas.viewKey(changed) };
    },
  );

  server.post(
    '/keys/:keyId/rotate',
    {
      config,
      // All of the body may be left out, and so the body itself.
      preValidation: async (request) => void (request.body ??= {}),
      schema: {
        ...common,
        operationId: 'rotateKey',
        summary: 'Replace an API key',
        description:
          'A new key with the same rights, shown in this answer alone. The old one works on for `overlapSeconds`. What both spend counts together.',
        params: schemas.KeyId,
        body: schemas.RotateBody,
        response: { 201: Success(schemas.MadeKeySchema), ...failures([400, 403, 404, 409]) },
      },
    },
    async (request, reply) => {
      const { overlapSeconds = 0 } = request.body;
      const made = await keys.rotate(actOf(request), request.params.keyId, overlapSeconds);
      void reply
        .code(201)
        .header('location', `/api/v1/keys/${made.key.id}`)
        .header('cache-control', 'no-store');
      return { success: true as const, data: schemas.viewMadeKey(made) };
    },
  );

  server.delete(
    '/keys/:keyId',
    {
      config,
      schema: {
        ...common,
        operationId: 'revokeKey',
        summary: 'Revoke an API key',
        description: 'At once, in every process. Videos it has begun go on.',
        params: schemas.KeyId,
        response: { 200: Success(schemas.KeySchema), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const revoked = await keys.revoke(actOf(request), request.params.keyId);
      return { success: true as const, data: schemas.viewKey(revoked) };
    },
  );
}

interface WishBody {
  name?: string;
  models?: string[] | null;
  spendCapUsd?: number | null;
  expiresAt?: string | null;
}

function readWish({ name, models, spendCapUsd, expiresAt }: WishBody) {
  return {
    name,
    models,
    spendCapMicros: typeof spendCapUsd === 'number' ? exactMicros(spendCapUsd, 'spendCapUsd') : spendCapUsd,
    expiresAt: typeof expiresAt === 'string' ? new Date(expiresAt) : expiresAt,
  };
}
