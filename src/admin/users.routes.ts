import type { Kysely } from 'kysely';
import { type Static, Type } from 'typebox';
import { actorOf } from '../accounts/actor.ts';
import { callerOf } from '../accounts/authenticate.ts';
import type { Clock } from '../core/clock.ts';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import { AppError } from '../core/errors.ts';
import { microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { changeUser } from './change-user.ts';
import { common, Name, NextCursor, PAGE, strict, Time } from './common.schemas.ts';
import { cut } from './cursor.ts';
import {
  figuresOf,
  findUser,
  keysOf,
  listUsers,
  teamsOf,
  type UserFigures,
  type UserRow,
} from './users.repository.ts';

const LIST = 'admin users';

const Role = Type.Unsafe<'user' | 'admin'>({ type: 'string', enum: ['user', 'admin'] });

const UserSchema = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    email: Nullable(Type.String()),
    role: Role,
    createdAt: Time,
    disabledAt: Nullable(Time),
    jobs: Type.Integer({ description: 'Ever asked for, deleted ones too.' }),
    openJobs: Type.Integer(),
    keys: Type.Integer({ description: 'API keys that are not revoked.' }),
    chargedUsd: Type.Number({ description: 'What they asked for has cost, in whatever space.' }),
  },
  { title: 'AdminUser' },
);

const KeySchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  prefix: Type.String(),
  ownerId: Type.String(),
  scopes: Type.Array(Type.String()),
  createdAt: Time,
  expiresAt: Nullable(Time),
  revokedAt: Nullable(Time),
  lastUsedAt: Nullable(Time),
});

const DetailSchema = Type.Intersect([
  UserSchema,
  Type.Object({
    teams: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), role: Type.String() })),
    apiKeys: Type.Array(KeySchema),
  }),
]);

const ListQuery = Type.Object(
  {
    q: Name('Part of a name, an address or an id.'),
    role: Type.Optional(Role),
    disabled: Type.Optional(Type.Boolean()),
    ...PAGE,
  },
  strict,
);

const PatchBody = Type.Object(
  {
    name: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$' }),
    ),
    role: Type.Optional(Role),
    disabled: Type.Optional(
      Type.Boolean({ description: 'Locked out: no credential of theirs works any more.' }),
    ),
  },
  { ...strict, minProperties: 1, title: 'ChangeUser' },
);

const UserId = Type.Object({ userId: Type.String() });

export interface UserRoutesOptions {
  db: Kysely<DB>;
  clock: Clock;
  /** Somebody has more or less power than before. */
  onUserChange(userId: string): void;
}

/** `/api/v1/admin/users`. */
export function registerUserRoutes(server: Server, { db, clock, onUserChange }: UserRoutesOptions): void {
  const shared = { ...common, security: KEY_REQUIRED };

  async function detail(user: UserRow): Promise<Static<typeof DetailSchema>> {
    const [figures, teams, keys] = await Promise.all([
      figuresOf(db, [user.id]),
      teamsOf(db, user.id),
      keysOf(db, user.id),
    ]);
    const apiKeys = keys.map((key) => ({
      id: key.id,
      name: key.name,
      prefix: key.prefix,
      ownerId: key.owner_id,
      scopes: key.scopes,
      createdAt: key.created_at.toISOString(),
      expiresAt: key.expires_at?.toISOString() ?? null,
      revokedAt: key.revoked_at?.toISOString() ?? null,
      lastUsedAt: key.last_used_at?.toISOString() ?? null,
    }));
    return { ...viewUser(user, figures.get(user.id)), teams, apiKeys };
  }

  server.get(
    '/users',
    {
      schema: {
        ...shared,
        operationId: 'listUsers',
        summary: 'Everybody, with what they have used, the latest first',
        querystring: ListQuery,
        response: {
          200: Success(Type.Object({ users: Type.Array(UserSchema), nextCursor: NextCursor })),
          ...failures([400, 403]),
        },
      },
    },
    async (request) => {
      const { limit = 50, cursor, ...filter } = request.query;
      const behind = cursor === undefined ? undefined : decodeCursor(LIST, cursor);
      const { page, last } = cut(await listUsers(db, filter, limit, behind), limit);
      const figures = await figuresOf(
        db,
        page.map(({ id }) => id),
      );
      const users = page.map((user) => viewUser(user, figures.get(user.id)));
      const nextCursor = last ? encodeCursor(LIST, { at: last.created_at, id: last.id }) : null;
      return { success: true as const, data: { users, nextCursor } };
    },
  );

  server.get(
    '/users/:userId',
    {
      schema: {
        ...shared,
        operationId: 'getUser',
        summary: 'One user, with teams and keys',
        params: UserId,
        response: { 200: Success(DetailSchema), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const user = await findUser(db, request.params.userId);
      if (!user) throw new AppError('user_not_found');
      return { success: true as const, data: await detail(user) };
    },
  );

  server.patch(
    '/users/:userId',
    {
      schema: {
        ...shared,
        operationId: 'changeUser',
        summary: 'Change the name or role of a user, lock them out or let them in again',
        description: 'The last admin who is not locked out stays one.',
        params: UserId,
        body: PatchBody,
        response: { 200: Success(DetailSchema), ...failures([400, 403, 404, 409]) },
      },
    },
    async (request) => {
      const now = new Date(clock.now());
      const { isAdminByToken } = callerOf(request);
      const actor = { ...actorOf(request), isAdminByToken };
      const user = await changeUser(db, actor, request.params.userId, request.body, now);
      // Its own notice may take a moment to come back to this process.
      onUserChange(user.id);
      return { success: true as const, data: await detail(user) };
    },
  );
}

function viewUser(user: UserRow, figures: UserFigures | undefined): Static<typeof UserSchema> {
  return {
    id: user.id,
    name: user.name,
    email: user.email,
    role: user.role,
    createdAt: user.created_at.toISOString(),
    disabledAt: user.disabled_at?.toISOString() ?? null,
    jobs: figures?.jobs ?? 0,
    openJobs: figures?.openJobs ?? 0,
    keys: figures?.keys ?? 0,
    chargedUsd: microsToUsd(figures?.charged ?? 0),
  };
}
