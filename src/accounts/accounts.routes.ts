import type { Server } from '../http/server.ts';
import type { Accounts } from './accounts.ts';
import { registerAuthRoutes } from './auth.routes.ts';
import type { Authenticate } from './authenticate.ts';
import { registerInvitationRoutes } from './invitations.routes.ts';
import { registerProviderRoutes } from './provider.routes.ts';
import { registerOwnSessionRoutes } from './own-sessions.routes.ts';
import { registerTeamInvitationRoutes } from './team-invitations.routes.ts';
import { registerTeamRoutes } from './teams.routes.ts';

/** What is asked before anybody is known, under `/api/v1/auth`. */
export function registerOpenAccountRoutes(
  server: Server,
  parts: { accounts: Accounts; authenticate: Authenticate },
): void {
  registerAuthRoutes(server, parts);
  registerProviderRoutes(server, parts);
}

/** What needs a caller, under `/api/v1`, on a server that knows its callers. */
export function registerAccountRoutes(server: Server, parts: { accounts: Accounts }): void {
  registerOwnSessionRoutes(server, parts);
  registerInvitationRoutes(server, parts);
  registerTeamRoutes(server, parts);
  registerTeamInvitationRoutes(server, parts);
}
