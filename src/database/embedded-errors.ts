import type { Endpoint, Places } from './embedded-places.ts';
import { DatabaseStartError } from './start-error.ts';

export function locked(places: Places, holder: string): DatabaseStartError {
  return new DatabaseStartError(
    'locked',
    `Another Sora Studio (${holder}) is using DATA_DIR ${places.dataDir}. ` +
      'Stop it first, or give this one a DATA_DIR (and a PORT) of its own.',
  );
}

export function shortLived(places: Places): DatabaseStartError {
  return new DatabaseStartError(
    'broken',
    `The embedded PostgreSQL ends again and again right after its start. Its log: ${places.logFile}`,
  );
}

export function withoutPassword(places: Places, cause: unknown): DatabaseStartError {
  return new DatabaseStartError(
    'broken',
    `The password of the embedded PostgreSQL is missing: ${places.passwordFile} cannot be read.`,
    cause,
  );
}

export function portTaken(endpoint: Endpoint): DatabaseStartError {
  const where = 'port' in endpoint ? `port ${endpoint.port}` : endpoint.socketDir;
  return new DatabaseStartError('broken', `Another program listens where PostgreSQL has to (${where}).`);
}
