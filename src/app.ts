import { createAccess } from './access.ts';
import { type Accounts, createAccounts } from './accounts/accounts.ts';
import { offerFirstAdmin } from './accounts/first-admin.ts';
import { resolveAuthSecret } from './api-key.ts';
import { errorText } from './core/errors.ts';
import { keepInStep } from './database/database-clock.ts';
import { createListener } from './database/notify.ts';
import { startOutbox } from './database/outbox.ts';
import { createGetLineage } from './derivations/lineage.ts';
import { type AppOptions, layFoundation } from './foundation.ts';
import type { Server } from './http/server.ts';
import type { EngineRunner } from './jobs/engine-runner.ts';
import type { JobsService } from './jobs/jobs.service.ts';
import { endAbandonedCalls } from './jobs/calls.repository.ts';
import { releasePolls } from './jobs/poll.repository.ts';
import { releaseWalks } from './jobs/walk.repository.ts';
import { addressOf, listen } from './listen.ts';
import type { Catalog } from './providers/catalog.ts';
import type { Retention } from './retention/retention.ts';
import type { Upkeep } from './retention/upkeep.ts';
import { createHttp } from './routes.ts';
import { createServices } from './services.ts';
import { optional } from './system/health.ts';
import { createMetrics } from './system/metrics.ts';
import { createLedgerWatch, type LedgerWatch } from './usage/ledger-watch.ts';
import { startRollup } from './usage/rollup.ts';
import { readVersion } from './version.ts';

export type { AppOptions };

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

/** Builds every part once, in order, each one's stop beside its start. The database has been migrated. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config, databaseUrl: url } = options;
  const foundation = await layFoundation(options);
  const { clock, gate, log, lifecycle, db, storage, outbound, catalog, apiKey } = foundation;
  const version = await readVersion();
  const services = await createServices(foundation, { ...options, version });
  const { parts, queue, engine, cache, jobs, presence, prices, upkeep } = services;

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
    services.changed(id, stage);
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
  const outbox = startOutbox({ db, log });
  lifecycle.onStop('outbox', () => outbox.stop());
  services.onChanges(() => outbox.wake());

  const ledgerWatch = createLedgerWatch({ db, clock, log });
  // One that only answers requests does so in the database's time, whatever its machine's clock says.
  const checkClock = async () => gate.assertOpen();
  const metrics = createMetrics({
    clock,
    countJobs: () => jobs.countByStatus(),
    ledger: ledgerWatch.findings,
  });
  const server = await createHttp({
    config,
    version,
    logger: log,
    clock,
    ...services,
    library: { ...parts, ...services, importLimitBytes: config.importLimitBytes },
    getLineage: createGetLineage({ db, jobs }),
    catalog,
    db,
    metrics,
    access,
    accounts,
    checks: {
      database: () => db.selectFrom('users').select('id').limit(1).execute(),
      queue: () => queue.check(),
      storage: () => storage.check(),
      clock: config.role === 'api' ? optional(checkClock) : checkClock,
      ...access.checks,
    },
  });
  lifecycle.onStop('server', () => server.close());

  const works = config.role !== 'api';
  return {
    server,
    engine,
    jobs,
    retention: services.retention,
    upkeep,
    ledgerWatch,
    apiKey,
    accounts,
    firstAdminToken: await offerFirstAdmin({ db, clock }),
    models: modelNames(catalog),
    async prepare() {
      await queue.start({ work: false });
      await presence.enter();
      await server.ready();
    },
    async start() {
      const inStep = keepInStep(clock, log);
      lifecycle.onStop('clock', () => inStep.stop());
      // Another server may answer now, with another clock; the next measure comes within seconds if this one fails.
      listener.onReconnect(() => void clock.sync().catch(() => {}));
      const alone = config.database.url === undefined;
      await queue.start({ work: works, alone });
      await presence.enter();
      if (alone) {
        const now = new Date(clock.now());
        await Promise.all([releasePolls(db, now), releaseWalks(db), endAbandonedCalls(db, now)]);
      }
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
    stop() {
      queue.halt();
      presence.drain();
      return lifecycle.stop((part, error) => log.error({ part, error }, 'did not stop cleanly'));
    },
  };
}

/** The default one first. */
function modelNames(catalog: Catalog): string[] {
  const standard = catalog.standard()?.model.id;
  const names = [
    ...catalog.list().map(({ model }) => model.id),
    ...catalog.aliases().map((entry) => entry.alias),
  ];
  return [...new Set([standard, ...names])].filter((name) => name !== undefined);
}
