import { join } from 'node:path';
import type { Config } from '../src/config.ts';
import type { Log } from '../src/core/log.ts';
import type { Lifecycle } from '../src/core/lifecycle.ts';
import { startEmbedded } from '../src/database/embedded.ts';
import { findRunning } from '../src/database/embedded-running.ts';
import { migrate } from '../src/database/migrate.ts';

/** The database of a server that runs, or the one that it would use: started for as long as the command lasts. */
export async function databaseUrl(config: Config, lifecycle: Lifecycle, log: Log): Promise<string> {
  const known = config.database.url ?? (await findRunning(config.dataDir));
  if (known !== undefined) return known;
  const embedded = await startEmbedded({ dataDir: config.dataDir, log });
  lifecycle.onStop('embedded PostgreSQL', embedded.stop);
  await migrate(embedded.url, { dir: join(import.meta.dirname, '..', 'migrations'), log });
  return embedded.url;
}
