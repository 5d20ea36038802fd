import { createAssetsService } from './assets/assets.service.ts';
import { createBatchesService } from './batches/batches.service.ts';
import { createDerivationsService } from './derivations/derivations.service.ts';
import type { AppOptions, Foundation } from './foundation.ts';
import { createCreate } from './jobs/create-job.ts';
import { createDraftJob } from './jobs/draft-job.ts';
import { createEngineRunner } from './jobs/engine-runner.ts';
import { createJobCache } from './jobs/job-cache.ts';
import { createJobsService } from './jobs/jobs.service.ts';
import { connectionNames } from './jobs/engine.ts';
import { createPresence } from './jobs/presence.ts';
import { findRunTimes } from './jobs/run-times.repository.ts';
import { createRunTimesBook } from './jobs/run-times.ts';
import { createWriter } from './jobs/write.ts';
import { createQueue } from './queue/queue.ts';
import { createRetention } from './retention/retention.ts';
import { createUpkeep } from './retention/upkeep.ts';
import { createPriceBook } from './usage/price-book.ts';

/** What the product does, on its foundation: the engine, and what routes call. */
export async function createServices(
  foundation: Foundation,
  {
    config,
    databaseUrl: url,
    bossClock,
    version,
  }: Pick<AppOptions, 'config' | 'databaseUrl' | 'bossClock'> & { version: string },
) {
  const { db, clock, gate, log, lifecycle, storage, media, tempDir, catalog, untrusted } = foundation;
  const assets = createAssetsService({ db, clock, storage, media, tempDir, outbound: untrusted });
  const queue = createQueue({ url, log, clock, mayWork: gate.isOpen, ...(bossClock ? { bossClock } : {}) });
  lifecycle.onStop('queue', () => queue.stop(config.drainMs));
  const cache = createJobCache();
  let tellOthers = () => {};
  const write = createWriter({
    db,
    queue,
    clock,
    onCommit(jobs) {
      for (const { id, stage } of jobs) changed(id, stage);
      tellOthers();
    },
  });
  const runTimes = createRunTimesBook(
    (connection, model, seconds) => findRunTimes(db, connection, model, seconds),
    () => clock.now(),
  );
  const { deadlines, role } = config;
  const presence = createPresence({
    db,
    clock,
    log,
    role,
    version,
    connections: role === 'api' ? [] : connectionNames(catalog),
    skewMs: clock.skewMs,
  });
  lifecycle.onStop('presence', () => presence.leave());
  const parts = { db, write, clock, log, catalog, storage, media, tempDir, deadlines, runTimes, presence };
  const engine = createEngineRunner(parts, queue, gate);
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
  const made = { ...parts, assets, draftJob, create, maxDepth };
  const batches = createBatchesService({ ...made, maxVideos });
  const derivations = createDerivationsService({ ...made, jobs });
  const changed = (id: string, stage: string | undefined) => {
    cache.drop(id);
    if (stage) engine.wake(stage);
  };

  return {
    parts,
    queue,
    engine,
    cache,
    changed,
    /** Calls back after each commit that changed jobs, when the other processes are to hear of it. */
    onChanges: (callback: () => void) => void (tellOthers = callback),
    create,
    draftJob,
    prices,
    assets,
    jobs,
    presence,
    batches,
    derivations,
    retention,
    upkeep,
  };
}
