import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { DB } from '../database/schema.ts';
import type { Server } from '../http/server.ts';
import { registerAllJobsRoutes } from './jobs.routes.ts';
import { registerRecordRoutes } from './records.routes.ts';
import { registerSystemAdminRoutes, type SystemAdminOptions } from './system.routes.ts';
import { registerUserRoutes } from './users.routes.ts';

/** What admins see and change of everybody, under `/api/v1/admin`. */
export function registerAdminRoutes(
  server: Server,
  options: SystemAdminOptions & { db: Kysely<DB>; clock: Clock },
): void {
  registerUserRoutes(server, options);
  registerAllJobsRoutes(server, options);
  registerRecordRoutes(server, options);
  registerSystemAdminRoutes(server, options);
}
