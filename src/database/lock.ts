import os from 'node:os';
import process from 'node:process';
import { Client } from 'pg';
import { DatabaseStartError } from './start-error.ts';

/**
 * The lock on a DATA_DIR: an advisory lock in its own PostgreSQL, on a connection that does nothing else. It
 * vanishes with its holder however that dies, knows no stale files and no reused process ids, and holds
 * between containers too. PostgreSQL itself takes care that a data folder has one postmaster.
 */
export interface DataDirLock {
  client: Client;
  /** Resolves when the connection is gone, and the lock with it. */
  lost: Promise<void>;
}

/**
 * - `held`: it is ours now.
 * - `taken`: somebody else's, still after the waiting time; `holder` says whose (`pid 12 on host`).
 * - `absent`: nobody answers at this address.
 * - `not yet`: the server is starting or stopping.
 */
export type LockAttempt =
  | { state: 'held'; lock: DataDirLock }
  | { state: 'taken'; holder: string }
  | { state: 'absent' }
  | { state: 'not yet' };

/** The lock's number: "sora" in ASCII. */
const LOCK_KEY = 0x73_6f_72_61;
const NAME_PREFIX = 'sora-studio ';

const ABSENT = new Set(['ECONNREFUSED', 'ENOENT']);
/** The server starts or stops, or stopped while being asked. */
const NOT_YET = new Set(['57P01', '57P02', '57P03', 'ECONNRESET', 'EPIPE']);

/** Tries to take the lock, and waits up to `waitMs` for a holder that is about to leave. */
export async function takeLock(url: string, waitMs: number): Promise<LockAttempt> {
  const name = `${NAME_PREFIX}pid ${process.pid} on ${os.hostname()}`.slice(0, 63);
  const client = new Client({ connectionString: url, application_name: name, keepAlive: true });
  const lost = new Promise<void>((resolve) => void client.once('end', resolve));
  // Without a listener the loss of the connection would end the process; `lost` tells of it.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(`set idle_session_timeout = 0`);
    if (await tryLock(client)) return { state: 'held', lock: { client, lost } };
    const holder = await findHolder(client);
    if (await waitForLock(client, waitMs)) return { state: 'held', lock: { client, lost } };
    await client.end();
    return { state: 'taken', holder };
  } catch (error) {
    client.end().catch(() => {});
    const code = String((error as { code?: unknown }).code);
    if (ABSENT.has(code)) return { state: 'absent' };
    if (NOT_YET.has(code) || /Connection terminated/.test(String(error))) return { state: 'not yet' };
    throw new DatabaseStartError('broken', `The embedded PostgreSQL cannot be used: ${String(error)}`, error);
  }
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [LOCK_KEY]);
  return rows[0]?.ok === true;
}

/** Waits in the server, so that the end of the holder wakes it at once. */
async function waitForLock(client: Client, waitMs: number): Promise<boolean> {
  if (waitMs <= 0) return false;
  await client.query(`set lock_timeout = ${Math.ceil(waitMs)}`);
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_KEY]);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === '55P03') return false;
    throw error;
  }
}

async function findHolder(client: Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.objid = $1`,
    [LOCK_KEY],
  );
  return rows[0]?.name.replace(NAME_PREFIX, '') ?? 'unknown';
}
