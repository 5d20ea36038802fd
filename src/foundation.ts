import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { adoptAdminKey } from './accounts/accounts.repository.ts';
import { resolveApiKey } from './api-key.ts';
import type { Config } from './config.ts';
import { createConnections } from './connections.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { createLifecycle, type Lifecycle } from './core/lifecycle.ts';
import { createOutbound, type Lookup, type Outbound } from './core/outbound.ts';
import { createDatabaseClock } from './database/database-clock.ts';
import { type Database, openDatabase } from './database/open.ts';
import type { SharedClock } from './core/shared-clock.ts';
import { createWorkGate, type WorkGate } from './core/work-gate.ts';
import { removeAbandoned } from './jobs/partial-files.ts';
import { createMedia, type Media } from './media/media.ts';
import { type Catalog, createCatalog } from './providers/catalog.ts';
import type { QueueOptions } from './queue/queue.ts';
import { openStorage } from './storage/open-storage.ts';
import type { Storage } from './storage/storage.ts';

export interface AppOptions {
  config: Config;
  databaseUrl: string;
  logger: FastifyBaseLogger;
  /** Tests bring their own: what time is counted with between two looks at the database's. */
  clock?: Clock;
  bossClock?: QueueOptions['bossClock'];
  media?: Media;
  /** Asks for the addresses of hosts that users name; the system's when left out. */
  lookup?: Lookup;
}

/** What every part stands on: the ways to the outside. */
export interface Foundation {
  /** Tells the database's time. */
  clock: SharedClock;
  /** Closed while this machine's clock is wrong. */
  gate: WorkGate;
  log: FastifyBaseLogger;
  lifecycle: Lifecycle;
  tempDir: string;
  db: Database;
  storage: Storage;
  media: Media;
  /** To addresses that the operator has set. */
  outbound: Outbound;
  /** To addresses that users name. */
  untrusted: Outbound;
  catalog: Catalog;
  apiKey: { key: string; generated: boolean };
}

const SLOW_QUERY_MS = 500;
const REFRESH_TIMEOUT_MS = 5000;

/** Programs written for Sora ask for these; where nobody offers them they get the default model, and are told so. */
const SORA_NAMES = ['sora-2', 'sora-2-pro'];

/** Opens them in order, each one's stop beside its start. The database has been migrated. */
export async function layFoundation({
  config,
  databaseUrl: url,
  logger: log,
  ...options
}: AppOptions): Promise<Foundation> {
  const lifecycle = createLifecycle();
  const tempDir = join(config.dataDir, 'tmp');
  await mkdir(tempDir, { recursive: true });
  // Files have the time of this machine.
  await removeAbandoned(tempDir, (options.clock ?? systemClock).now());

  const { maxConnections } = config.database;
  const db = openDatabase({
    url,
    maxConnections,
    log,
    slowQueryMs: SLOW_QUERY_MS,
    applicationName: 'sora-studio',
  });
  lifecycle.onStop('database', () => db.destroy());
  const clock = createDatabaseClock({ db, local: options.clock, standIn: options.bossClock });
  await clock.sync();
  const gate = createWorkGate(clock, log);
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
  const catalog = await openCatalog(config, { clock, media, outbound, log });
  return { clock, gate, log, lifecycle, tempDir, db, storage, media, outbound, untrusted, catalog, apiKey };
}

/** Asks every connection for its models, as long as that takes no time: those that are late come later. */
async function openCatalog(
  config: Config,
  parts: Pick<Foundation, 'clock' | 'media' | 'outbound' | 'log'>,
): Promise<Catalog> {
  const connections = createConnections(config, parts);
  const catalog = createCatalog({
    connections,
    aliases: config.aliases,
    fallbackNames: SORA_NAMES,
    ...(config.defaultModel === undefined ? {} : { defaultModel: config.defaultModel }),
  });
  await catalog.refresh({ signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS) });
  if (!catalog.standard()) {
    parts.log.warn(
      { DEFAULT_MODEL: config.defaultModel },
      'nobody offers the default model: requests must name one',
    );
  }
  return catalog;
}
