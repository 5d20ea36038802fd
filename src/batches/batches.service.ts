import type { Principal } from '../accounts/principal.ts';
import type { AssetsService } from '../assets/assets.service.ts';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { EventPage, EventRecord } from '../events/event.ts';
import { createFollowBatch } from '../events/follow-batch.ts';
import type { ClientRetry } from '../jobs/client-retry.ts';
import type { Create, Created } from '../jobs/create-job.ts';
import type { EngineParts } from '../jobs/engine.ts';
import type { Job } from '../jobs/job.ts';
import type { CreateBody } from '../jobs/jobs.schemas.ts';
import type { Batch, BatchRequest, BatchSummary } from './batch.ts';
import {
  type BatchFilter,
  type BatchPage,
  type BatchPageRequest,
  countBatches,
  pageBatches,
} from './batch-list.repository.ts';
import { createdBody } from './batch-view.ts';
import { findBatch, findItemIds, findItems, insertBatch } from './batches.repository.ts';
import { type CancelOutcomes, cancelOpen } from './cancel-batch.ts';
import { judgeItems } from './judge-items.ts';
import { draftRetry, type RetryParts } from './retry-batch.ts';
import type { SchemaCheck } from './schema-check.ts';
import { takePictures } from './take-pictures.ts';

/** Jobs that a batch shows in full; the others are in the list of videos. */
const SHOWN_JOBS = 100;

type Filter = Omit<BatchFilter, 'ownerId' | 'id'>;
type Check = SchemaCheck<CreateBody>;
type BatchTotal = Awaited<ReturnType<typeof countBatches>>;

/** Everything about batches. What is not the caller's is `batch_not_found`. */
export interface BatchesService {
  readonly maxVideos: number;
  /** All videos of it or none. Throws `invalid_batch` that names every bad item. */
  create(caller: Principal, request: BatchRequest, check: Check, retry: ClientRetry): Promise<Created>;
  /** The jobs that would be created; nothing is stored or fetched. Throws the same. */
  dryRun(caller: Principal, request: BatchRequest, check: Check): Job[];
  get(caller: Principal, id: string): Promise<BatchSummary>;
  /** The latest try of each of the first items. */
  items(batch: BatchSummary): Promise<Job[]>;
  itemIds(batch: BatchSummary): Promise<string[]>;
  /** `known`, the total of the same filter, may spare a search. */
  list(caller: Principal, filter: Filter, page: BatchPageRequest, known?: BatchTotal): Promise<BatchPage>;
  count(caller: Principal, filter: Filter): Promise<BatchTotal>;
  /** Cancels what is open. Throws `batch_already_finished`. */
  cancel(caller: Principal, id: string): Promise<CancelOutcomes>;
  /** Creates new tries of what failed or was cancelled. Throws `nothing_to_retry`. */
  retry(caller: Principal, id: string, retry: ClientRetry): Promise<Created>;
  events(caller: Principal, id: string, page: EventPage): Promise<EventRecord[]>;
}

export interface BatchesParts extends EngineParts, RetryParts {
  create: Create;
  assets: AssetsService;
  maxVideos: number;
}

export function createBatchesService(parts: BatchesParts): BatchesService {
  const { db, clock, draftJob, create, maxVideos } = parts;
  const followBatch = createFollowBatch(db);

  async function owned(caller: Principal, id: string): Promise<Batch> {
    const batch = await findBatch(db, caller.ownerId, id);
    if (!batch) throw new AppError('batch_not_found');
    return batch;
  }

  return {
    maxVideos,
    create: (caller, request, check, retry) =>
      create(caller, {
        retry,
        async again({ batch_id: id }, handle) {
          const batch = id === null ? undefined : await findBatch(handle, caller.ownerId, id);
          if (!batch) throw new AppError('batch_not_found');
          return { id: batch.id, body: createdBody(batch, await findItems(handle, batch.id, maxVideos)) };
        },
        async draft() {
          const batch = {
            id: newId('batch'),
            owner_id: caller.ownerId,
            name: request.name ?? null,
            webhook_url: request.webhookUrl ?? null,
            created_at: new Date(clock.now()),
            finished_at: null,
          };
          const items = judgeItems({ draftJob, check, maxVideos }, caller, request, batch.id);
          // Only now: a batch that is refused for anything else fetches nothing.
          await takePictures(parts.assets, caller, items);
          const jobs = items.map(({ job }) => job);
          const [first] = jobs;
          // A retry of this request finds its batch by it.
          if (first) first.fingerprint = retry.fingerprint;
          return {
            id: batch.id,
            jobs,
            body: createdBody(batch, jobs),
            before: (tx) => insertBatch(tx, batch, jobs.length),
          };
        },
      }),
    dryRun: (caller, request, check) =>
      judgeItems({ draftJob, check, maxVideos }, caller, request).map(({ job }) => job),
    async get(caller, id) {
      const page = { limit: 1, offset: 0 };
      const { batches } = await pageBatches(db, { ownerId: caller.ownerId, id }, page);
      const [batch] = batches;
      if (!batch) throw new AppError('batch_not_found');
      return batch;
    },
    items: ({ id }) => findItems(db, id, SHOWN_JOBS),
    itemIds: ({ id }) => findItemIds(db, id),
    list: (caller, filter, page, known) =>
      pageBatches(db, { ...filter, ownerId: caller.ownerId }, page, known),
    count: (caller, filter) => countBatches(db, { ...filter, ownerId: caller.ownerId }),
    async cancel(caller, id) {
      await owned(caller, id);
      return cancelOpen(parts, id);
    },
    async retry(caller, id, retry) {
      const batch = await owned(caller, id);
      return create(caller, { retry, draft: () => draftRetry(parts, caller, batch) });
    },
    async events(caller, id, page) {
      await owned(caller, id);
      return followBatch(caller.ownerId, id, page);
    },
  };
}
