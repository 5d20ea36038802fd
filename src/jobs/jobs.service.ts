import type { Kysely } from 'kysely';
import type { Principal } from '../accounts/principal.ts';
import type { AssetsService, ImageInput } from '../assets/assets.service.ts';
import { AppError } from '../core/errors.ts';
import type { DB } from '../database/schema.ts';
import type { EventRecord } from '../events/event.ts';
import { listJobEvents } from '../events/events.repository.ts';
import type { Fit } from '../media/image.ts';
import type { ByteRange, Chunks } from '../storage/storage.ts';
import { cancelJob } from './cancel.ts';
import type { ClientRetry } from './client-retry.ts';
import type { Create, Created } from './create-job.ts';
import type { DraftJob, VideoWishes } from './draft-job.ts';
import type { EngineParts } from './engine.ts';
import { isFinal, type Job, type JobFiles, type JobStatus, resultOf, type StoredFile } from './job.ts';
import type { CachedJob, JobCache } from './job-cache.ts';
import {
  countJobs,
  cursorAfter,
  type JobFilter,
  type JobPage,
  pageJobs,
  type PageRequest,
  type Total,
} from './job-list.repository.ts';
import { decide, type Decision } from './operator.ts';
import { type DoubtfulJob, listDoubtful } from './operator.repository.ts';
import { countByStatus, deleteJob, findJob, hideJob } from './jobs.repository.ts';
import { referenceOf } from './reference.ts';

/** What a client asks for. */
export interface CreateVideo extends Omit<VideoWishes, 'hasReference'> {
  reference?: ImageInput | undefined;
  /** Brings the image to the size of the video; without it, it is sent as it is. */
  referenceFit?: Fit | undefined;
}

/** Where a request comes from, and how its answer looks: a repetition gets the same one. */
export interface CreateOrigin {
  retry: ClientRetry;
  /** The answer's body for a job. */
  render(job: Job): string;
}

export interface JobsService {
  /** Checks, plans and commits a job. Nothing is stored when anything is wrong with it. */
  create(caller: Principal, input: CreateVideo, origin: CreateOrigin): Promise<Created>;
  /** Throws `job_not_found` for what is not there or not the caller's. The answer may come from memory. */
  get(caller: Principal, id: string): Promise<CachedJob>;
  /** `known`, the total of the same filter, tells which way to the page is the short one. */
  list(
    caller: Principal,
    filter: Omit<JobFilter, 'ownerId'>,
    page: PageRequest,
    known?: Total,
  ): Promise<JobPage>;
  count(caller: Principal, filter: Omit<JobFilter, 'ownerId'>, page: PageRequest): Promise<Total>;
  /** The cursor of the page behind a job. Throws `job_not_found`. */
  cursorAfter(caller: Principal, id: string, page: Pick<PageRequest, 'sort' | 'order'>): Promise<string>;
  events(caller: Principal, id: string): Promise<EventRecord[]>;
  /** Throws `job_already_finished`. */
  cancel(caller: Principal, id: string): Promise<Job>;
  /** Deletes a finished job and its files. Throws `job_not_finished`. */
  purge(caller: Principal, id: string): Promise<void>;
  /** Deletes a job wherever it stands, cancelling it first when it is open. */
  remove(caller: Principal, id: string): Promise<void>;
  /** A file of a completed job. Throws `video_not_completed`, `content_not_found`. */
  file(caller: Principal, id: string, variant: keyof JobFiles): Promise<StoredFile>;
  open(file: StoredFile, range?: ByteRange): Promise<Chunks>;
  /** An address at the store that anybody may read the file at for a while; undefined: files pass through us. */
  link(file: StoredFile, shown: { filename: string; attachment: boolean }): Promise<string | undefined>;
  /** For operators: jobs of which nobody knows whether the provider took them, and what to do about one. */
  listDoubtful(): Promise<DoubtfulJob[]>;
  decide(id: string, decision: Decision): Promise<Job>;
  /** Jobs of everybody, for the metrics. */
  countByStatus(): Promise<Record<JobStatus, number>>;
}

export function createJobsService(
  parts: EngineParts & {
    assets: AssetsService;
    cache: JobCache;
    draftJob: DraftJob;
    create: Create;
    /** How long links to the store are valid; undefined: none are given out. */
    linkSeconds: number | undefined;
  },
): JobsService {
  const { db, assets, cache, storage, draftJob, create, linkSeconds } = parts;
  const load = (id: string) => findJob(db as Kysely<DB>, id);

  async function owned(caller: Principal, id: string): Promise<CachedJob> {
    const entry = await cache.get(id, load);
    // Somebody else's is answered like nothing: an id gives nothing away.
    if (entry?.job.owner_id !== caller.userId || entry.job.deleted_at) throw new AppError('job_not_found');
    return entry;
  }

  async function discard({ id, cancel_outcome: outcome }: Job): Promise<void> {
    // While the provider has not said what came of a cancellation, the row stays, unseen, for the task that asks.
    if (outcome === 'unknown') return parts.write((write) => hideJob(write, id));
    const job = await parts.write((write) => deleteJob(write, id));
    // After the commit: a file whose row is gone is an orphan at worst, a row whose file is gone would be a lie.
    for (const file of Object.values(job ? (resultOf(job)?.files ?? {}) : {})) await storage.remove(file.key);
  }

  return {
    create(caller, { reference, referenceFit: fit, ...wishes }, { retry, render }) {
      const answer = (job: Job) => ({ id: job.id, body: render(job) });
      return create(caller, {
        retry,
        again: answer,
        async draft() {
          const { fingerprint } = retry;
          const hasReference = reference !== undefined;
          const job = draftJob(caller, { ...wishes, hasReference }, { fingerprint });
          if (reference) {
            const scale = fit && { width: job.width, height: job.height, fit };
            Object.assign(job, referenceOf(await assets.take(caller, reference, { scale })));
          }
          return { ...answer(job), jobs: [job] };
        },
      });
    },
    get: owned,
    list: (caller, filter, page, known) => pageJobs(db, { ...filter, ownerId: caller.userId }, page, known),
    count: (caller, filter, page) => countJobs(db, { ...filter, ownerId: caller.userId }, page.sort),
    async cursorAfter(caller, id, page) {
      const cursor = await cursorAfter(db, caller.userId, id, page);
      if (cursor === undefined) throw new AppError('job_not_found', { param: 'after' });
      return cursor;
    },
    async events(caller, id) {
      await owned(caller, id);
      return listJobEvents(db, caller.userId, id);
    },
    async cancel(caller, id) {
      await owned(caller, id);
      return cancelJob(parts, id);
    },
    async purge(caller, id) {
      const { job } = await owned(caller, id);
      if (!isFinal(job.status)) throw new AppError('job_not_finished');
      await discard(job);
    },
    async remove(caller, id) {
      const { job } = await owned(caller, id);
      const cancelled = isFinal(job.status) ? undefined : await cancelJob(parts, id).catch(unlessFinished);
      await discard(cancelled ?? job);
    },
    async file(caller, id, variant) {
      const { job } = await owned(caller, id);
      const result = resultOf(job);
      if (!result)
        throw new AppError('video_not_completed', {
          message: unfinishedText(job),
          details: { status: job.status },
        });
      const file = result.files[variant];
      if (!file) throw new AppError('content_not_found', { message: `This video has no ${variant}.` });
      return file;
    },
    open: (file, range) => storage.open(file.key, range),
    async link({ key, contentType }, shown) {
      if (linkSeconds === undefined) return undefined;
      return storage.link?.(key, { ...shown, contentType, expiresSeconds: linkSeconds });
    },
    listDoubtful: () => listDoubtful(db, 1000),
    decide: (id, decision) => decide(parts, id, decision),
    countByStatus: () => countByStatus(db),
  };
}

function unlessFinished(error: unknown): undefined {
  if (error instanceof AppError && error.code === 'job_already_finished') return undefined;
  throw error;
}

/** Why there is no file, in words that fit where the job stands. */
export function unfinishedText(job: Job): string {
  if (job.status === 'failed') return `The video failed: ${job.error_message ?? job.error_code}`;
  if (job.status === 'cancelled') return 'The video was cancelled.';
  return `The video is not finished yet: it is ${job.status}, ${job.progress} % done.`;
}
