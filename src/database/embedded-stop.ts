import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { sleep, systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Binaries } from './embedded-binaries.ts';
import { type Launcher, run } from './embedded-launcher.ts';
import type { Places } from './embedded-places.ts';
import { isPostmasterOf } from './process-alive.ts';
import { DatabaseStartError } from './start-error.ts';

const POLL_MS = 5;

/** How long each way of asking a postmaster to stop may take, in ms. */
const STOP_STEPS = [
  // Fast shutdown: connections are closed, a checkpoint is written.
  { signal: 'SIGINT', waitMs: 15_000 },
  // Immediate shutdown: the next start replays the log. Nothing committed is lost.
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 2_000 },
] as const;

/**
 * Stops the postmaster and resolves when it is gone. `child` is undefined for an adopted one.
 * @throws DatabaseStartError `broken` when it survives even that.
 */
export async function stopPostmaster(
  places: Places,
  binaries: Binaries,
  launcher: Launcher | undefined,
  postmaster: { pid: number; child: ChildProcess | undefined },
  log: Log,
): Promise<void> {
  const gone = () => hasEnded(places, postmaster);
  for (const { signal, waitMs } of STOP_STEPS) {
    if (await gone()) return;
    if (signal !== 'SIGINT') log.warn({ signal, pid: postmaster.pid }, 'embedded PostgreSQL is slow to stop');
    await ask(signal);
    const deadline = systemClock.now() + waitMs;
    while (systemClock.now() < deadline) {
      if (await gone()) return;
      await sleep(systemClock, POLL_MS);
    }
  }
  throw new DatabaseStartError('broken', `The embedded PostgreSQL (pid ${postmaster.pid}) does not stop.`);

  async function ask(signal: (typeof STOP_STEPS)[number]['signal']): Promise<void> {
    // Windows has no signals: there pg_ctl sends PostgreSQL's own substitute.
    if (process.platform === 'win32' && launcher !== undefined && signal !== 'SIGKILL') {
      const mode = signal === 'SIGINT' ? 'fast' : 'immediate';
      await run(launcher, binaries.pgCtl, ['stop', '-D', places.cluster, '-m', mode, '--no-wait']);
      return;
    }
    try {
      process.kill(postmaster.pid, signal);
    } catch (error) {
      log.warn({ err: error, pid: postmaster.pid }, 'embedded PostgreSQL cannot be signalled');
    }
  }
}

/** Whether the postmaster is gone. */
export async function hasEnded(
  places: Places,
  { pid, child }: { pid: number; child: ChildProcess | undefined },
): Promise<boolean> {
  if (child !== undefined) return child.exitCode !== null || child.signalCode !== null;
  return !(await isPostmasterOf(places.cluster, pid));
}
