import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { createAccess } from './access.ts';
import { type Accounts, createAccounts } from './accounts/accounts.ts';
import { adoptAdminKey } from './accounts/accounts.repository.ts';
import { offerFirstAdmin } from './accounts/first-admin.ts';
import { createAssetsService } from './assets/assets.service.ts';
import { createBatchesService } from './batches/batches.service.ts';
import type { Config } from './config.ts';
import { createConnections } from './connections.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { errorText } from './core/errors.ts';
import { createLifecycle } from './core/lifecycle.ts';
import { createOutbound, type Lookup } from './core/outbound.ts';
import { createListener } from './database/notify.ts';
import { openDatabase } from './database/open.ts';
import { createDerivationsService } from './derivations/derivations.service.ts';
import { createGetLineage } from './derivations/lineage.ts';
import { createCreate } from './jobs/create-job.ts';
import { createDraftJob } from './jobs/draft-job.ts';
import { createEngineRunner, type EngineRunner } from './jobs/engine-runner.ts';
import { createJobCache } from './jobs/job-cache.ts';
import { createJobsService, type JobsService } from './jobs/jobs.service.ts';
import { removeAbandoned } from './jobs/partial-files.ts';
import { findRunTimes, releasePolls } from './jobs/poll.repository.ts';
import { createRunTimesBook } from './jobs/run-times.ts';
import { createWriter } from './jobs/write.ts';
import { createMedia, type Media } from './media/media.ts';
import { createCatalog } from './providers/catalog.ts';
import { createQueue, type QueueOptions } from './queue/queue.ts';
import { createRetention, type Retention } from './retention/retention.ts';
import { createUpkeep, type Upkeep } from './retention/upkeep.ts';
import { addressOf, listen } from './listen.ts';
import { createHttp } from './routes.ts';
import type { Server } from './http/server.ts';
import { openStorage } from './storage/open-storage.ts';
import { createMetrics } from './system/metrics.ts';
import { createLedgerWatch, type LedgerWatch } from './usage/ledger-watch.ts';
import { createPriceBook } from './usage/price-book.ts';
import { startRollup } from './usage/rollup.ts';
import { resolveApiKey, resolveAuthSecret } from './api-key.ts';

export interface App {
  server: Server;
  engine: EngineRunner;
  jobs: JobsService;
  retention: Retention;
  upkeep: Upkeep;
  ledgerWatch: LedgerWatch;
  /** The admin key that works, and whether it was generated here. */
  apiKey: { key: string; generated: boolean };
  accounts: Accounts;
  /** With it the first admin can be made from another machine; none when there is one. */
  firstAdminToken: string | undefined;
  /** Names of the models on offer, the default one first. */
  models: string[];
  /** Makes ready without beginning to work or to listen: tests move things by hand. */
  prepare(): Promise<void>;
  /** Begins to listen and to work, as the role says. Resolves with the address. */
  start(): Promise<string>;
  stop(): Promise<void>;
}

export interface AppOptions {
  config: Config;
  databaseUrl: string;
  logger: FastifyBaseLogger;
  /** Tests bring their own; everything in the app takes time from it. */
  clock?: Clock;
  bossClock?: QueueOptions['bossClock'];
  media?: Media;
  /** Asks for the addresses of hosts that users name; the system's when left out. */
  lookup?: Lookup;
}

/** How long running tasks get to come to an end, in ms: a stop takes less than ten seconds, whatever is running. */
const STOP_TIMEOUT_MS = 6000;
const SLOW_QUERY_MS = 500;

/** Builds every part once, in order, each one's stop beside its start. The database has been migrated. */
export async function createApp({
  config,
  databaseUrl: url,
  logger: log,
  ...options
}: AppOptions): Promise<App> {
  const clock = options.clock ?? systemClock;
  const lifecycle = createLifecycle();
  const tempDir = join(config.dataDir, 'tmp');
  await mkdir(tempDir, { recursive: true });
  await removeAbandoned(tempDir, clock.now());

  const { maxConnections } = config.database;
  const db = openDatabase({
    url,
    maxConnections,
    log,
    slowQueryMs: SLOW_QUERY_MS,
    applicationName: 'sora-studio',
  });
  lifecycle.onStop('database', () => db.destroy());
  const storage = await openStorage(config.storage, { log, clock });
  lifecycle.onStop('storage', () => storage.close?.());
  const outbound = createOutbound();
  lifecycle.onStop('outbound', () => outbound.close());
  const media = options.media ?? createMedia({ path: config.executablePath });
  lifecycle.onStop('media', () => media.close());
  const apiKey = await resolveApiKey(config.apiKey, config.dataDir);
  await adoptAdminKey(db, apiKey, new Date(clock.now()));

  const untrusted = createOutbound({
    allowPrivate: config.assets.allowPrivate,
    ...(options.lookup ? { lookup: options.lookup } : {}),
  });
  lifecycle.onStop('untrusted outbound', () => untrusted.close());
  const assets = createAssetsService({ db, clock, storage, media, tempDir, outbound: untrusted });

  const connections = createConnections(config, { clock, media, outbound });
  const catalog = createCatalog({
    connections,
    aliases: config.aliases,
    fallbackNames: SORA_NAMES,
    ...(config.defaultModel === undefined ? {} : { defaultModel: config.defaultModel }),
  });
  await catalog.refresh({ signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS) });
  if (!catalog.standard()) {
    log.warn(
      { DEFAULT_MODEL: config.defaultModel },
      'nobody offers the default model: requests must name one',
    );
  }

  const queue = createQueue({
    url,
    log,
    clock,
    ...(options.bossClock ? { bossClock: options.bossClock } : {}),
  });
  lifecycle.onStop('queue', () => queue.stop(STOP_TIMEOUT_MS));
  const cache = createJobCache();
  const write = createWriter({
    db,
    queue,
    clock,
    onCommit(jobs) {
      for (const { id, stage } of jobs) changed(id, stage);
    },
  });
  const runTimes = createRunTimesBook(
    (connection, model, seconds) => findRunTimes(db, connection, model, seconds),
    () => clock.now(),
  );
  const { deadlines } = config;
  const parts = { db, write, clock, log, catalog, storage, media, tempDir, deadlines, runTimes };
  const engine = createEngineRunner(parts, queue);
  const create = createCreate({
    ...parts,
    quotaZone: config.quotaZone,
    onCreated: () => engine.wake('queued'),
  });
  const prices = createPriceBook(db);
  await prices.reload();
  const draftJob = createDraftJob({
    catalog,
    prices,
    clock,
    allowUnpriced: config.unpricedModels === 'allow',
  });
  const retention = createRetention({ ...parts, rules: config.retention });
  const upkeep = createUpkeep({ ...parts, retention });
  const { linkSeconds } = config.storage;
  const jobs = createJobsService({ ...parts, assets, cache, draftJob, create, linkSeconds });
  const { batchMaxVideos: maxVideos, lineageMaxDepth: maxDepth } = config;
  const batches = createBatchesService({ ...parts, assets, draftJob, create, maxVideos, maxDepth });
  const derivations = createDerivationsService({
    ...parts,
    assets,
    jobs,
    draftJob,
    create,
    maxDepth,
  });
  const changed = (id: string, stage: string | undefined) => {
    cache.drop(id);
    if (stage) engine.wake(stage);
  };

  const reloadPrices = () =>
    prices
      .reload()
      .catch((error: unknown) => log.error({ error: errorText(error) }, 'prices cannot be read'));

  const accounts = await createAccounts({
    db,
    clock,
    log,
    outbound,
    ...config.accounts,
    secret: await resolveAuthSecret(config.accounts.secret, config.dataDir),
    publicUrl: config.http.publicUrl,
    localUrl: `http://localhost:${config.http.port}`,
  });
  lifecycle.onStop('accounts', () => accounts.close());

  const listener = createListener({ url, log, clock });
  lifecycle.onStop('listener', () => listener.stop());
  listener.on('jobs', (payload) => {
    const [id = '', stage] = payload.split(' ');
    changed(id, stage);
  });
  listener.on('prices', () => void reloadPrices());
  listener.on('accounts', (userId) => accounts.sessions.forget(userId));
  listener.onDisconnect(() => cache.reset(false));
  listener.onReconnect(() => {
    cache.reset(true);
    accounts.sessions.forget();
    void reloadPrices();
  });
  const access = await createAccess({
    config,
    db,
    clock,
    log,
    outbound,
    catalog,
    listener,
    lifecycle,
    resolveSession: accounts.sessions.resolve,
  });
  await listener.ready();
  cache.reset(true);

  const ledgerWatch = createLedgerWatch({ db, clock, log });
  const metrics = createMetrics({
    clock,
    countJobs: () => jobs.countByStatus(),
    ledger: ledgerWatch.findings,
  });
  const server = await createHttp({
    config,
    version: await readVersion(),
    logger: log,
    clock,
    assets,
    jobs,
    library: { ...parts, jobs, derivations, create, importLimitBytes: config.importLimitBytes },
    retention,
    batches,
    derivations,
    getLineage: createGetLineage({ db, jobs }),
    catalog,
    db,
    prices,
    draftJob,
    metrics,
    access,
    accounts,
    checks: {
      database: () => db.selectFrom('users').select('id').limit(1).execute(),
      queue: () => queue.check(),
      storage: () => storage.check(),
      ...access.checks,
    },
  });
  lifecycle.onStop('server', () => server.close());

  const works = config.role !== 'api';
  return {
    server,
    engine,
    jobs,
    retention,
    upkeep,
    ledgerWatch,
    apiKey,
    accounts,
    firstAdminToken: await offerFirstAdmin({ db, clock }),
    models: modelNames(),
    async prepare() {
      await queue.start({ work: false });
      await server.ready();
    },
    async start() {
      const alone = config.database.url === undefined;
      await queue.start({ work: works, alone });
      if (alone) await releasePolls(db, new Date(clock.now()));
      const rollup = startRollup({ db, clock, log });
      lifecycle.onStop('rollup', () => rollup.stop());
      if (works) {
        engine.start();
        lifecycle.onStop('engine', () => engine.stop());
        upkeep.start();
        const watching = ledgerWatch.start();
        lifecycle.onStop('ledger watch', () => watching.stop());
        lifecycle.onStop('upkeep', () => upkeep.stop());
      }
      await listen(server, config.http);
      return addressOf(server, config.http.host);
    },
    stop: () => lifecycle.stop((part, error) => log.error({ part, error }, 'did not stop cleanly')),
  };

  function modelNames(): string[] {
    const standard = catalog.standard()?.model.id;
    const names = [
      ...catalog.list().map(({ model }) => model.id),
      ...catalog.aliases().map((entry) => entry.alias),
    ];
    return [...new Set([standard, ...names])].filter((name) => name !== undefined);
  }
}

const REFRESH_TIMEOUT_MS = 5000;

/** Programs written for Sora ask for these; where nobody offers them they get the default model, and are told so. */
const SORA_NAMES = ['sora-2', 'sora-2-pro'];

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}
