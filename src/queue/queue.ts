import { type Clock as BossClock, fromKysely, PgBoss } from 'pg-boss';
import { type Clock, sleep, systemClock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import { PUT_BACK, PutBack } from './put-back.ts';
import { createSweep, REFRESH_SECONDS, SWEEP_MS } from './sweep.ts';
import type { Queue, TaskKind } from './task.ts';

/** What of pg-boss's task is used here. */
interface Fetched {
  name: string;
  id: string;
  data: object;
  retryCount: number;
}

/** What a task gets for coming to an end after it was told to, in ms; then its process ends without it. */
export const CUT_MS = 3000;

/** When pg-boss itself takes a worker for dead, in seconds: later than the sweep, which knows more. */
const HEARTBEAT_SECONDS = 60;

/** As long as anybody waits: when to give up is the handler's to say. */
const RETRY = { retryLimit: 10_000, retryDelay: 1, retryBackoff: true, retryDelayMax: 60 } as const;

/** All that is running, when nobody is there who could be running it. */
const RELEASE_ALL = `update pgboss.job set state = 'retry', start_after = pgboss.job_now() where state = 'active'`;

export interface QueueOptions {
  url: string;
  log: Log;
  clock: Clock;
  /** pg-boss's own test clock, in tests: then nothing runs by itself, only `runDue` moves things. */
  bossClock?: BossClock;
  maxConnections?: number;
  /** While it says no, nothing is taken; what runs goes on. Always yes when left out. */
  mayWork?: () => boolean;
}

/** pg-boss in the database that holds the jobs, behind the few words above. */
export function createQueue(options: QueueOptions): Queue {
  const { log, clock, mayWork = () => true } = options;
  const kinds = new Map<string, TaskKind<object>>();
  const stopping = new AbortController();
  const overtime = new AbortController();
  /** Tasks under way that are heard to their end. */
  const draining = new Set<Promise<void>>();
  let haltedAt: number | undefined;
  let started = false;
  let isTaking = false;
  let sweep: Loop | undefined;
  const boss = new PgBoss({
    connectionString: options.url,
    application_name: 'sora-studio queue',
    max: options.maxConnections ?? 4,
    useListenNotify: true,
    schedule: false,
    options: '-c idle_in_transaction_session_timeout=5000',
    // The leader of the sweep does that.
    supervise: false,
    monitorIntervalSeconds: 30,
    maintenanceIntervalSeconds: 3600,
    queueCacheIntervalSeconds: 1,
    ...(options.bossClock ? { clock: options.bossClock } : {}),
  });
  boss.on('error', (error) => log.error({ error: errorText(error) }, 'queue error'));
  boss.on('warning', (warning) => log.debug({ warning: warning.message }, 'queue warning'));

  const onError = (error: unknown) => log.warn({ error: errorText(error) }, 'queue error; it goes on');

  /** Takes tasks of every kind, or none, as `mayWork` says. */
  async function follow(): Promise<void> {
    const may = mayWork();
    if (may === isTaking || stopping.signal.aborted) return;
    isTaking = may;
    for (const kind of kinds.values()) {
      if (may) await take(kind);
      else await boss.offWork(kind.name, { wait: false });
    }
  }

  async function take(kind: TaskKind<object>): Promise<void> {
    const polling = {
      pollingIntervalSeconds: 1,
      notifyPollingIntervalSeconds: 1,
      // A backlog is worked off without a pause; else each worker would take one task a second.
      burstWhenReadyExceeds: 1,
      includeMetadata: true,
    } as const;
    await boss.work<object>(
      kind.name,
      { ...polling, localConcurrency: kind.concurrency, heartbeatRefreshSeconds: REFRESH_SECONDS },
      async ([job]) => {
        if (job) await run(kind, job as typeof job & Fetched, job.signal);
      },
    );
  }

  const cleanUp = createSweep(
    (text, values) => boss.getDb().executeSql(text, values),
    () => boss.supervise(),
  );

  async function round(): Promise<boolean> {
    await follow();
    return cleanUp.round();
  }

  async function declare(kind: TaskKind<object>): Promise<void> {
    const settings = {
      ...RETRY,
      retryDelayMax: kind.retryMaxSeconds ?? RETRY.retryDelayMax,
      expireInSeconds: kind.timeoutSeconds,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      deleteAfterSeconds: 600,
      retentionSeconds: 30 * 24 * 3600,
      notify: true,
    };
    await boss.createQueue(kind.name, { ...settings, policy: 'exclusive' });
    await boss.updateQueue(kind.name, settings);
  }

  async function run(kind: TaskKind<object>, job: Fetched, expiry?: AbortSignal) {
    const handling = handle(kind, job, expiry);
    if (!kind.drains) return handling;
    const ended = handling.catch(() => {});
    draining.add(ended);
    await ended;
    draining.delete(ended);
    return handling;
  }

  async function handle(kind: TaskKind<object>, job: Fetched, expiry?: AbortSignal): Promise<void> {
    const { data, retryCount: retries } = job;
    const within = (...signals: (AbortSignal | undefined)[]) =>
      AbortSignal.any(signals.filter((signal) => signal !== undefined));
    const soon = within(stopping.signal, overtime.signal, expiry);
    // Not when another worker has taken it over after a silence: what this one hears to the end is still true.
    const signal = kind.drains ? overtime.signal : soon;
    try {
      if (stopping.signal.aborted) throw new PutBack('the process is stopping', 0);
      await kind.handle({ data, retries, stopping: soon, signal });
    } catch (error) {
      if (error instanceof PutBack) return putBack(job, error.waitMs);
      // Cut off by the stop: no failure, and another process may begin at once.
      if (stopping.signal.aborted) return putBack(job, 0);
      log.warn(
        { task: kind.name, ...data, retries, error: errorText(error) },
        'task failed; it will be run again',
      );
      throw error;
    }
  }

  async function putBack({ name, id, retryCount }: Fetched, waitMs: number): Promise<void> {
    await boss.getDb().executeSql(PUT_BACK, [name, id, retryCount, waitMs]);
  }

  function halt(): void {
    if (haltedAt !== undefined) return;
    haltedAt = performance.now();
    stopping.abort();
    if (!started) return;
    for (const { name } of kinds.values()) {
      boss.offWork(name, { wait: false }).catch(onError);
    }
  }

  /** Until all that drains has ended, or its time is over. */
  async function drain(drainMs: number): Promise<void> {
    const leftMs = () => (haltedAt ?? 0) + drainMs - CUT_MS - performance.now();
    while (draining.size > 0 && leftMs() > 0) {
      const ended = new AbortController();
      // Real time, in tests too: what is waited for goes on in it.
      await Promise.race([Promise.all(draining), sleep(systemClock, leftMs(), ended.signal)]);
      ended.abort();
    }
    overtime.abort();
  }

  return {
    define: (kind) => void kinds.set(kind.name, kind as unknown as TaskKind<object>),

    async send(tx, name, items) {
      // A task without a delay is due at the time of the transaction; tests say which that is.
      const now = options.bossClock && { startAfter: new Date(clock.now()) };
      const rows = items.map(({ key, data, delayMs }) => ({
        data,
        singletonKey: key,
        ...(delayMs === undefined ? now : { startAfter: `${delayMs} milliseconds` }),
      }));
      if (rows.length > 0) await boss.insert(name, rows, { db: fromKysely(tx) });
    },

    async start({ work, alone }) {
      await boss.start();
      started = true;
      if (alone) await boss.getDb().executeSql(RELEASE_ALL);
      for (const kind of kinds.values()) await declare(kind);
      if (!work) return;
      await follow();
      sweep = startLoop({ clock, intervalMs: SWEEP_MS, round, onError });
    },

    async runDue() {
      let ran = 0;
      if (!mayWork()) return ran;
      for (const kind of kinds.values()) {
        for (;;) {
          const [job] = await boss.fetch<object>(kind.name, { includeMetadata: true });
          if (!job) break;
          ran += 1;
          await run(kind, job).then(
            () => boss.complete(kind.name, job.id),
            (error: unknown) => boss.fail(kind.name, job.id, { message: errorText(error) }),
          );
        }
      }
      return ran;
    },

    async check() {
      await boss.getDb().executeSql('select 1 from pgboss.version');
    },

    halt,

    async stop(drainMs) {
      halt();
      await sweep?.stop();
      if (sweep) await cleanUp.leave().catch(onError);
      await drain(drainMs);
      if (started) await boss.stop({ graceful: true, timeout: CUT_MS });
    },
  };
}
