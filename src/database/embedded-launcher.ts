import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import process from 'node:process';
import type { Binaries } from './embedded-binaries.ts';
import type { Places } from './embedded-places.ts';
import { DatabaseStartError } from './start-error.ts';

/** The way in which PostgreSQL's programs are run, since they refuse to run as root. */
export interface Launcher {
  way: 'same user' | 'other user' | 'user namespace';
  /** The other user's ids; for the other ways undefined. */
  uid: number | undefined;
  gid: number | undefined;
  /** What stands before the program. */
  prefix: readonly string[];
}

const SAME_USER: Launcher = { way: 'same user', uid: undefined, gid: undefined, prefix: [] };
/** Inside a user namespace without mappings root appears as `nobody`, and still owns its files. */
const USER_NAMESPACE: Launcher = { ...SAME_USER, way: 'user namespace', prefix: ['unshare', '--user', '--'] };

/** Runs a program to its end. Never rejects: a program that cannot be started has `code` -1. */
export function run(
  launcher: Launcher,
  file: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  const [program = file, ...rest] = [...launcher.prefix, file, ...args];
  return new Promise((resolve) => {
    try {
      execFile(program, rest, childOptions(launcher), (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, output: `${stdout}${stderr}${code === -1 ? String(error?.message) : ''}`.trim() });
      });
    } catch (error) {
      resolve({ code: -1, output: String(error) });
    }
  });
}

/**
 * Starts a program that outlives this process: own session, so that Ctrl-C in a terminal does not reach it,
 * and output to a file, since a pipe would break with its reader.
 */
export function launch(
  launcher: Launcher,
  file: string,
  args: readonly string[],
  outputFd: number,
): ChildProcess {
  const [program = file, ...rest] = [...launcher.prefix, file, ...args];
  return spawn(program, rest, {
    ...childOptions(launcher),
    detached: true,
    stdio: ['ignore', outputFd, outputFd],
  });
}

function childOptions({ uid, gid }: Launcher) {
  if (process.platform === 'win32') return { windowsHide: true };
  // A bare environment: PGPORT, PGDATA, LC_ALL and their like must not reach the server.
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  const ids = uid === undefined || gid === undefined ? {} : { uid, gid };
  return { cwd: '/', env, ...ids };
}

/**
 * Picks the first way in which this user can run PostgreSQL with this DATA_DIR (which must exist), by trying.
 * @throws DatabaseStartError `unsupported` with what was tried and what to do.
 */
export async function chooseLauncher(binaries: Binaries, places: Places): Promise<Launcher> {
  if (process.platform === 'win32') return SAME_USER;
  const failures: string[] = [];
  for (const launcher of await candidates(places)) {
    const probe = 'cd "$1" && exec "$2" --version';
    const { code, output } = await run(launcher, 'sh', [
      '-c',
      probe,
      'sh',
      places.dataDir,
      binaries.postgres,
    ]);
    if (code === 0) return launcher;
    const who = launcher.uid === undefined ? launcher.way : `${launcher.way} (uid ${launcher.uid})`;
    failures.push(`  as ${who}: ${output || `exit code ${code}`}`);
  }
  throw new DatabaseStartError(
    'unsupported',
    `The embedded PostgreSQL cannot be run here with DATA_DIR ${places.dataDir}.\n${failures.join('\n')}\n` +
      'Run Sora Studio as an ordinary user, put it and DATA_DIR where the user "nobody" can read them, ' +
      'or set DATABASE_URL to a PostgreSQL of your own.',
  );
}

async function candidates(places: Places): Promise<Launcher[]> {
  const namespace = process.platform === 'linux' ? [USER_NAMESPACE] : [];
  // initdb insists on a user with a name; in containers a user may be a bare number.
  if (process.getuid?.() !== 0) return hasName() ? [SAME_USER] : namespace;
  const owner = await stat(places.home).catch(() => undefined);
  const former = owner === undefined || owner.uid === 0 ? [] : [otherUser(owner.uid, owner.gid)];
  return [...former, await nobody(), ...namespace];
}

function hasName(): boolean {
  try {
    return os.userInfo().username !== '';
  } catch {
    return false;
  }
}

function otherUser(uid: number, gid: number): Launcher {
  return { way: 'other user', uid, gid, prefix: [] };
}

async function nobody(): Promise<Launcher> {
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const [, , uid, gid] = /^nobody:.*$/m.exec(users)?.[0].split(':') ?? [];
  return otherUser(Number(uid ?? 65_534), Number(gid ?? 65_534));
}
