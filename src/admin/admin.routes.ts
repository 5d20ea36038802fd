import type { Server } from '../http/server.ts';
import { registerAllJobsRoutes } from './jobs.routes.ts';
import { registerRecordRoutes } from './records.routes.ts';
import { registerSystemAdminRoutes, type SystemAdminOptions } from './system.routes.ts';
import { registerUserRoutes, type UserRoutesOptions } from './users.routes.ts';

/** What admins see and change of everybody, under `/api/v1/admin`. */
export function registerAdminRoutes(server: Server, options: SystemAdminOptions & UserRoutesOptions): void {
  registerUserRoutes(server, options);
  registerAllJobsRoutes(server, options);
  registerRecordRoutes(server, options);
  registerSystemAdminRoutes(server, options);
}
