import type { Kysely } from 'kysely';
import { Type } from 'typebox';
import type { Clock } from '../core/clock.ts';
import type { Json } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { allowance, firstPace } from '../jobs/pace.ts';
import type { Catalog } from '../providers/catalog.ts';
import { common, Time } from './common.schemas.ts';
import { connectionFigures, listPaces } from './connections.repository.ts';

/** A setting as it may be shown: no secret in it. */
export interface ShownSetting {
  name: string;
  about: string;
  /** What is in force. */
  value: Json;
  isDefault: boolean;
}

const HOUR_MS = 60 * 60_000;
/** How jobs have ended lately: within this. */
const RECENT_MS = HOUR_MS;

const ConnectionSchema = Type.Object(
  {
    name: Type.String(),
    adapter: Type.String(),
    models: Type.Array(Type.String()),
    running: Type.Integer(),
    waiting: Type.Integer(),
    workers: Type.Integer({ description: 'Processes that take work for it right now.' }),
    maxRunning: Type.Integer(),
    allowed: Type.Number({ description: 'How many may run at once, as the provider has taught us.' }),
    free: Type.Integer({ description: 'How many more may start right now.' }),
    maxCallsPerMinute: Nullable(Type.Integer()),
    slowedAt: Nullable(Time),
    blockedUntil: Nullable(Time),
    whenUnconfirmed: Type.String(),
    lastHour: Type.Object({
      completed: Type.Integer(),
      failed: Type.Integer(),
      cancelled: Type.Integer(),
      errors: Type.Array(Type.Object({ code: Type.String(), count: Type.Integer() })),
    }),
  },
  { title: 'ConnectionHealth' },
);

const SettingSchema = Type.Object(
  {
    name: Type.String(),
    about: Type.String(),
    value: Type.Unknown({ description: 'What is in force; secrets are redacted.' }),
    isDefault: Type.Boolean(),
  },
  { title: 'Setting' },
);

export interface SystemAdminOptions {
  db: Kysely<DB>;
  clock: Clock;
  catalog: Catalog;
  shownSettings: readonly ShownSetting[];
}

/** `/api/v1/admin/connections` and `/api/v1/admin/settings`: how the house stands. */
export function registerSystemAdminRoutes(server: Server, options: SystemAdminOptions): void {
  const { db, clock, catalog, shownSettings } = options;
  const shared = { ...common, security: KEY_REQUIRED };

  server.get(
    '/connections',
    {
      schema: {
        ...shared,
        operationId: 'listConnections',
        summary: 'How every connection is doing',
        response: { 200: Success(Type.Array(ConnectionSchema)), ...failures([403]) },
      },
    },
    async () => ({ success: true as const, data: await connections() }),
  );

  server.get(
    '/settings',
    {
      schema: {
        ...shared,
        operationId: 'listSettings',
        summary: 'What every setting of this process is, without secrets',
        response: { 200: Success(Type.Array(SettingSchema)), ...failures([403]) },
      },
    },
    () => ({ success: true as const, data: [...shownSettings] }),
  );

  async function connections() {
    const now = new Date(clock.now());
    const names = catalog.connections.map(({ name }) => name);
    const [figures, paces] = await Promise.all([
      connectionFigures(db, names, new Date(now.getTime() - RECENT_MS), now),
      listPaces(db),
    ]);
    return catalog.connections.map((connection) => {
      const { name, adapter, maxRunning, maxCallsPerMinute, whenUnconfirmed = 'ask' } = connection;
      const {
        running = 0,
        placed = 0,
        waiting = 0,
        workers = 0,
        completed = 0,
        failed = 0,
        cancelled = 0,
        errors = [],
      } = figures.get(name) ?? {};
      const pace = paces.get(name) ?? firstPace(connection, now);
      const isBlocked = pace.blocked_until !== null && pace.blocked_until > now;
      return {
        name,
        adapter,
        models: catalog.list().flatMap((entry) => (entry.connection.name === name ? [entry.model.id] : [])),
        running,
        waiting,
        workers,
        maxRunning,
        allowed: Math.min(maxRunning, Math.floor(pace.allowed ?? maxRunning)),
        free: allowance(pace, connection, placed, now).free,
        maxCallsPerMinute: maxCallsPerMinute ?? null,
        slowedAt: pace.slowed_at?.toISOString() ?? null,
        blockedUntil: isBlocked ? (pace.blocked_until?.toISOString() ?? null) : null,
        whenUnconfirmed,
        lastHour: { completed, failed, cancelled, errors },
      };
    });
  }
}
