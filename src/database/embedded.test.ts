import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { type EmbeddedOptions, startEmbedded } from './embedded.ts';
import { hydrateLibraries } from './embedded-binaries.ts';
import { run } from './embedded-launcher.ts';
import { placesIn } from './embedded-places.ts';
import { readPidFile } from './embedded-postmaster.ts';
import { isAlive, isPostmasterOf } from './process-alive.ts';
import { silentLog } from './silent-log.ts';
import { temporaryFolder } from './testing-leftovers.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop()) await cleanup();
});

async function newDataDir(mode = 0o755): Promise<string> {
  const dir = await mkdtemp(path.join(await temporaryFolder(), 'sora-embedded-'));
  await chmod(dir, mode);
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function start(dataDir: string, options: Partial<EmbeddedOptions> = {}) {
  const server = await startEmbedded({ dataDir, log: silentLog, lockWaitMs: 0, durable: false, ...options });
  cleanups.push(() => server.stop());
  return server;
}

async function query<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

interface Outcome {
  url?: string;
  postmaster?: number;
  adopted?: boolean;
  refused?: string;
}

/** A second process on a DATA_DIR; `outcome` comes once it has started or refused. */
function startChild(dataDir: string, lockWaitMs = 0, options: SpawnOptions = {}) {
  const script = path.join(import.meta.dirname, 'testing-embedded-child.ts');
  const child = spawn(process.execPath, [script, dataDir, String(lockWaitMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...options,
  });
  cleanups.push(() => stopChild(child));
  const outcome = new Promise<Outcome>((resolve, reject) => {
    if (child.stdout)
      createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line) as Outcome));
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the child ended without a word')));
  });
  outcome.catch(() => {});
  return { child, outcome };
}

async function stopChild(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (signal) child.kill(signal);
  else child.stdin?.end();
  await once(child, 'exit');
}

async function timed<T>(label: string, work: () => Promise<T>): Promise<T> {
  const before = performance.now();
  const result = await work();
  console.log(`${label}: ${(performance.now() - before).toFixed(0)} ms`);
  return result;
}

/** Memory of a postmaster and all its processes, shared pages counted once, in MB. Linux only. */
async function memoryOf(postmaster: number): Promise<number> {
  const children = await readFile(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8');
  const sizes = [String(postmaster), ...children.trim().split(' ')].map(async (pid) => {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
  });
  return (await Promise.all(sizes)).reduce((sum, kb) => sum + kb, 0) / 1024;
}

test('a fresh DATA_DIR gets a private, durable database that is there again after a stop', async () => {
  const dataDir = path.join(await newDataDir(), 'made', 'here');
  const first = await timed('first start', () => start(dataDir, { durable: true }));
  expect(first.adopted).toBe(false);
  const settings = await query<{ name: string; setting: string }>(
    first.url,
    `select name, setting from pg_settings where name in
     ('fsync', 'synchronous_commit', 'listen_addresses', 'server_encoding', 'jit') order by name`,
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    jit: 'off',
    listen_addresses: '',
    server_encoding: 'UTF8',
    synchronous_commit: 'on',
  });
  await query(first.url, `create table kept as select 'ä' as letter, current_user as owner`);
  if (process.platform === 'linux')
    console.log(`memory (PSS): ${(await memoryOf(first.pid() ?? 0)).toFixed(1)} MB`);
  const places = placesIn(dataDir);
  expect((await stat(places.passwordFile)).mode & 0o077).toBe(0);
  expect((await stat(places.home)).mode & 0o077).toBe(0);
  const wrong = first.url.replace(/:pg_[^@]+@/, ':wrong@');
  await expect(query(wrong, 'select 1')).rejects.toThrow(/password authentication failed/);
  await timed('stop', () => first.stop());
  expect(first.pid()).toBeUndefined();

  const second = await timed('reopen', () => start(dataDir));
  expect(second.adopted).toBe(false);
  expect(second.url).toBe(first.url);
  expect(await query(second.url, 'select * from kept')).toEqual([{ letter: 'ä', owner: 'sora' }]);
});

test('what a killed process left running is adopted, and stopped like an own one', async () => {
  const dataDir = await newDataDir();
  const { child, outcome } = startChild(dataDir);
  const { url = '', postmaster = 0 } = await outcome;
  await query(url, 'create table kept as select 1 as n');
  await stopChild(child, 'SIGKILL');
  expect(isAlive(postmaster)).toBe(true);
  const server = await timed('adopt', () => start(dataDir, { lockWaitMs: 2_000 }));
  expect(server).toMatchObject({ adopted: true, url });
  expect(server.pid()).toBe(postmaster);
  expect(await query(server.url, 'select * from kept')).toEqual([{ n: 1 }]);
  await server.stop();
  // Not isAlive: where nobody waits for orphans, a dead one keeps its process id.
  expect(await isPostmasterOf(placesIn(dataDir).cluster, postmaster)).toBe(false);
  await expect(query(url, 'select 1')).rejects.toThrow(/ENOENT|ECONNREFUSED/);
});

test('a second start is refused with the first one’s process id, and harms nothing', async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  const { refused } = await startChild(dataDir, 100).outcome;
  expect(refused).toContain(`pid ${process.pid} on `);
  expect(refused).toContain(dataDir);
  expect(await query(first.url, 'select 1 as n')).toEqual([{ n: 1 }]);
});

test('a second start waits for a first one that is stopping', async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  const second = startChild(dataDir, 10_000);
  // It waits for the lock when a second session has asked for it.
  await vi.waitUntil(
    async () =>
      (await query(first.url, `select from pg_locks where locktype = 'advisory' and not granted`)).length,
    { timeout: 10_000 },
  );
  await first.stop();
  const { url, adopted } = await second.outcome;
  expect({ url, adopted }).toEqual({ url: first.url, adopted: false });
});

test('of two that start at once on a fresh DATA_DIR one runs and one is refused', async () => {
  const dataDir = await newDataDir();
  const children = [startChild(dataDir, 300), startChild(dataDir, 300)];
  const outcomes = await Promise.all(children.map(({ outcome }) => outcome));
  const running = outcomes.find(({ url }) => url !== undefined);
  expect(outcomes.filter(({ refused }) => refused?.includes('Another Sora Studio'))).toHaveLength(1);
  expect(await query(running?.url ?? '', 'select 1 as n')).toEqual([{ n: 1 }]);
  expect((await readdir(dataDir)).sort()).toEqual(['postgres', 'postgres.log']);
});

test('a process that dies in the middle of initdb leaves nothing that matters', async () => {
  const dataDir = await newDataDir();
  const { child } = startChild(dataDir);
  const drafts = async () => (await readdir(dataDir)).filter((name) => name.includes('.init-'));
  await vi.waitUntil(
    async () => {
      const [draft] = await drafts();
      return draft && (await readdir(path.join(dataDir, draft, 'data')).catch(() => [])).length > 0;
    },
    { timeout: 10_000, interval: 2 },
  );
  await stopChild(child, 'SIGKILL');
  expect(await drafts()).toHaveLength(1);
  const server = await start(dataDir);
  expect(await query(server.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  expect(await drafts()).toHaveLength(0);
});

test('lock files of a dead server are no obstacle, even when its process id is in use again', async () => {
  const dataDir = await newDataDir();
  const places = placesIn(dataDir);
  const onExit = vi.fn();
  const first = await start(dataDir, { onExit });
  const dead = String(first.pid());
  process.kill(Number(dead), 'SIGKILL');
  await vi.waitUntil(() => onExit.mock.calls.length > 0);
  // PostgreSQL only believes in a process of its own user.
  const bystander = spawn('sleep', ['60'], isRoot ? { uid: (await stat(places.home)).uid } : {});
  cleanups.push(() => bystander.kill());
  await once(bystander, 'spawn');
  for (const file of [places.pidFile, places.socketLockFile]) {
    const text = await readFile(file, 'utf8');
    expect(text.split('\n', 1)[0]).toBe(dead);
    await writeFile(file, text.replace(dead, String(bystander.pid)));
  }
  const second = await start(dataDir, { lockWaitMs: 2_000 });
  expect(second.adopted).toBe(false);
  expect(bystander.exitCode).toBeNull();
});

test('a server that dies is reported and can be started again in its place', async () => {
  const dataDir = await newDataDir();
  const { promise: lost, resolve: onExit } = Promise.withResolvers<string>();
  const server = await start(dataDir, { onExit });
  await query(server.url, 'create table kept as select 1 as n');
  const dead = server.pid() ?? 0;
  process.kill(dead, 'SIGKILL');
  expect(await lost).toMatch(/has ended/);
  expect(server.pid()).toBeUndefined();
  await server.restart();
  expect(server.pid()).not.toBe(dead);
  expect(await query(server.url, 'select * from kept')).toEqual([{ n: 1 }]);
});

test('the lock is taken again when only its connection is cut', async () => {
  const dataDir = await newDataDir();
  const { promise: back, resolve } = Promise.withResolvers<void>();
  const onExit = vi.fn();
  const server = await start(dataDir, { onExit, log: { ...silentLog, warn: () => resolve() } });
  await query(server.url, `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'`);
  await back;
  const { refused } = await startChild(dataDir).outcome;
  expect(refused).toContain(`pid ${process.pid} on `);
  expect(onExit).not.toHaveBeenCalled();
});

test('listens on a loopback port where a socket cannot be used', async () => {
  const dataDir = path.join(await newDataDir(), 'long'.repeat(30));
  const { child, outcome } = startChild(dataDir);
  const { url = '' } = await outcome;
  expect(new URL(url).hostname).toBe('127.0.0.1');
  await stopChild(child, 'SIGKILL');
  const adopting = await start(dataDir, { lockWaitMs: 2_000 });
  expect(adopting).toMatchObject({ url, adopted: true });
  await adopting.stop();
  const again = await start(dataDir);
  expect(await query(again.url, 'select inet_server_addr()::text as host')).toEqual([
    { host: '127.0.0.1/32' },
  ]);
});

test('a half-written postmaster.pid is not taken for a server on PostgreSQL’s usual port', async () => {
  const places = placesIn(await newDataDir());
  await mkdir(places.cluster, { recursive: true });
  const written = async (text: string) => {
    await writeFile(places.pidFile, text);
    return readPidFile(places);
  };
  const start = '12\n/data\n1795211567\n5432\n';
  expect(await written('')).toBeUndefined();
  expect(await written(`${start}\n`)).toEqual({ pid: 12, endpoint: undefined, ready: false });
  expect(await written(`${start}..\n\n 1 2\nready   \n`)).toEqual({
    pid: 12,
    endpoint: { socketDir: places.home },
    ready: true,
  });
  expect(await written(`${start}\n127.0.0.1\n`)).toMatchObject({ endpoint: { port: 5432 } });
});

test('a folder in the way, and a database of another version, are left alone', async () => {
  const occupied = await newDataDir();
  await mkdir(path.join(occupied, 'postgres', 'mine'), { recursive: true });
  await expect(start(occupied)).rejects.toThrow(/is in the way/);
  const old = await newDataDir();
  await mkdir(placesIn(old).cluster, { recursive: true });
  await writeFile(path.join(placesIn(old).cluster, 'PG_VERSION'), '17\n');
  await expect(start(old)).rejects.toThrow(/made by PostgreSQL 17/);
});

test('makes the library links that a skipped install script would have made, once', async () => {
  const root = await newDataDir();
  await mkdir(path.join(root, 'native', 'lib'), { recursive: true });
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
  await writeFile(path.join(root, 'native', 'pg-symlinks.json'), JSON.stringify(links));
  await hydrateLibraries(root);
  await hydrateLibraries(root);
  expect(await readlink(path.join(root, 'native', 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
});

test('as root below a private folder it runs in a user namespace', async (context) => {
  const { code } = await run({ way: 'same user', uid: undefined, gid: undefined, prefix: [] }, 'unshare', [
    '--user',
    'true',
  ]);
  if (!isRoot || code !== 0) return context.skip('needs root and permission for user namespaces');
  const dataDir = await newDataDir(0o700);
  const server = await start(dataDir);
  expect(await query(server.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  expect((await stat(placesIn(dataDir).cluster)).uid).toBe(0);
  await server.stop();
  // Once others may enter, the database is handed to the other user.
  await chmod(dataDir, 0o755);
  const handed = await start(dataDir);
  expect((await stat(placesIn(dataDir).cluster)).uid).toBe(NOBODY);
  expect(await query(handed.url, 'select 1 as n')).toEqual([{ n: 1 }]);
});

test('runs as an ordinary user', async (context) => {
  if (!isRoot) return context.skip('the other tests have shown that');
  const user = { uid: NOBODY, gid: NOBODY };
  const reading = spawn(process.execPath, ['--version'], { ...user, cwd: '/', stdio: 'ignore' });
  const [code] = (await once(reading, 'exit').catch(() => [1])) as [number];
  if (code !== 0) return context.skip('the user nobody cannot read the folder of this program');
  const dataDir = await newDataDir();
  await chown(dataDir, user.uid, user.gid);
  const { outcome } = startChild(dataDir, 0, { ...user, cwd: '/', env: { HOME: dataDir } });
  const { url = '', refused } = await outcome;
  expect(refused).toBeUndefined();
  expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }]);
});

test('an ordinary user is told when the database belongs to another', async (context) => {
  if (!isRoot) return context.skip('needs root to make such a folder');
  const dataDir = await newDataDir();
  await (await start(dataDir)).stop();
  await chmod(placesIn(dataDir).home, 0o700);
  await chown(placesIn(dataDir).home, 0, 0);
  const { outcome } = startChild(dataDir, 0, { uid: NOBODY, gid: NOBODY, cwd: '/', env: {} });
  expect((await outcome).refused).toMatch(/start it as that user again/);
});
