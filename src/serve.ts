import { join } from 'node:path';
import type { Logger } from 'pino';
import { type App, createApp } from './app.ts';
import type { Config } from './config.ts';
import { createLifecycle } from './core/lifecycle.ts';
import { startEmbedded } from './database/embedded.ts';
import { migrate } from './database/migrate.ts';
import { createLogger } from './logger.ts';
import { banner } from './banner.ts';

/** A stop takes less than this when no paid call is under way, in ms; then the process ends all the same. */
const STOP_LIMIT_MS = 9500;
const PARENT_CHECK_MS = 1000;
const SAME_WISH_MS = 1000;

/** Starts everything the role says and returns; the process lives until it is told to stop. */
export async function serve(config: Config): Promise<void> {
  const startedAt = performance.now();
  const log = createLogger(config);
  const lifecycle = createLifecycle();
  const limitMs = Math.max(STOP_LIMIT_MS, config.drainMs);
  const stop = createStop({ log, limitMs }, () =>
    lifecycle.stop((part, error) => log.error({ part, error }, 'did not stop cleanly')),
  );
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => void stop(signal, 0));
  }
  watchForSurprises(log, () => void stop('an error that nobody caught', 1));
  if (config.startedByNpm) watchParent(() => void stop('npm is gone', 0));
  try {
    const database = await provideDatabase(config, log, (reason) => void stop(`PostgreSQL: ${reason}`, 1));
    lifecycle.onStop('embedded PostgreSQL', database.stop);
    await migrate(database.url, { dir: join(import.meta.dirname, '..', 'migrations'), log });
    const app: App = await createApp({ config, databaseUrl: database.url, logger: log });
    lifecycle.onStop('app', app.stop);
    const address = await app.start();
    process.stdout.write(banner({ address, app, config, startedInMs: performance.now() - startedAt }));
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

interface ProvidedDatabase {
  url: string;
  stop: () => Promise<void>;
}

/** The configured database, or the embedded one of the DATA_DIR. */
async function provideDatabase(
  config: Config,
  log: Logger,
  onLost: (reason: string) => void,
): Promise<ProvidedDatabase> {
  if (config.database.url !== undefined) return { url: config.database.url, stop: async () => {} };
  return startEmbedded({ dataDir: config.dataDir, log, onExit: onLost });
}

/** Stops once. A person who asks again after a moment is taken at their word: the process ends at once. */
function createStop({ log, limitMs }: { log: Logger; limitMs: number }, stopAll: () => Promise<void>) {
  let stoppingSince: number | undefined;
  return async (reason: string, exitCode: number): Promise<void> => {
    if (stoppingSince !== undefined) {
      // Ctrl-C reaches us from the terminal and again through npm: that is one wish, not two.
      if (performance.now() - stoppingSince > SAME_WISH_MS) process.exit(130);
      return;
    }
    stoppingSince = performance.now();
    log.info({ reason }, 'stopping');
    const limit = setTimeout(() => {
      log.warn('stopping took too long; what was left will be taken up at the next start');
      process.exit(exitCode);
    }, limitMs);
    await stopAll();
    clearTimeout(limit);
    log.info('stopped');
    process.exit(exitCode);
  };
}

/**
 * A promise that nobody awaited harms nobody but itself: it is logged. An exception that nobody caught may have left
 * anything half done: the process stops, and what it was doing is taken up at the next start.
 */
function watchForSurprises(log: Logger, onException: () => void): void {
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'a rejection that nobody handled'));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an exception that nobody caught');
    onException();
  });
}

/** npm passes signals on, but not its own sudden death: then nobody would be left to stop us. */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, PARENT_CHECK_MS);
  timer.unref();
}
