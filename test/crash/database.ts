import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Pool, type QueryResultRow } from 'pg';
import { type Embedded, startEmbedded } from '../../src/database/embedded.ts';
import { placesIn, urlOf } from '../../src/database/embedded-places.ts';
import { readPidFile } from '../../src/database/embedded-postmaster.ts';
import { silentLog } from '../../src/database/silent-log.ts';

/** The harness's own way into the database: it reads, and cuts everybody's connections when told to. */
export interface Window {
  /** Waits out an outage of the database. */
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  cutConnections(): Promise<void>;
  close(): Promise<void>;
}

const PATIENCE_MS = 60_000;
const RETRY_MS = 250;

/** `url` is asked again after every failure: the embedded database of a restarted product may be elsewhere. */
export function openWindow(url: () => Promise<string>): Window {
  let pool: Pool | undefined;

  async function connect(): Promise<Pool> {
    const made = new Pool({ connectionString: await url(), max: 2, application_name: 'crash-test' });
    made.on('error', () => {});
    made.on('connect', (client) => void client.on('error', () => {}));
    return made;
  }

  async function query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        pool ??= await connect();
        return (await pool.query<Row>(text, values)).rows;
      } catch (error) {
        // What the database has understood and refused will be refused again.
        const { code = '' } = error as { code?: string };
        if (/^(22|23|42)/.test(code) || Date.now() > deadline) throw error;
        await pool?.end().catch(() => {});
        pool = undefined;
        await pause(RETRY_MS);
      }
    }
  }

  return {
    query,
    async cutConnections() {
      await query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where backend_type = 'client backend' and application_name <> 'crash-test'`,
      );
    },
    close: async () => void (await pool?.end().catch(() => {})),
  };
}

/** The address of the embedded database that a product runs in its DATA_DIR. */
export async function embeddedUrl(dataDir: string): Promise<string> {
  const places = placesIn(dataDir);
  const file = await readPidFile(places);
  if (!file?.endpoint) throw new Error('the embedded database is not up');
  const password = (await readFile(places.passwordFile, 'utf8')).trim();
  return urlOf(file.endpoint, password, 'sora');
}

/** A database of the harness's own, for products that share one. */
export async function startDatabase(dataDir: string): Promise<Embedded> {
  return startEmbedded({
    dataDir: join(dataDir, 'database'),
    log: silentLog,
    settings: { max_connections: '150' },
  });
}

/** Stops a PostgreSQL that nobody owns any more, if it runs. */
export async function stopPostgres(pidFile: string): Promise<void> {
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) return;
  try {
    process.kill(pid, 'SIGQUIT');
    for (let round = 0; round < 200; round += 1) {
      await pause(50);
      process.kill(pid, 0);
    }
  } catch {
    // It is gone.
  }
}
