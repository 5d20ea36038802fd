import type { Kysely } from 'kysely';
import type { Actor } from '../accounts/actor.ts';
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
  cursorAfter,
  type JobFilter,
  type JobPage,
  pageJobs,
  type PageRequest,
  type Total,
} from './job-list.repository.ts';
import { discardJob } from './discard.ts';
import { countJobs } from './job-count.repository.ts';
import { decide, type Decision } from './operator.ts';
import { type DoubtfulJob, listDoubtful } from './operator.repository.ts';
import { countByStatus, findJob } from './jobs.repository.ts';
import { referenceOf } from './reference.ts';
import { restoreJobs, trashJobs } from './trash.repository.ts';

/** Where a job is looked for. */
export interface Looking {
  trashToo?: boolean;
}

const TRASH_TOO: Looking = { trashToo: true };

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
  /**
   * Throws `job_not_found` for what is not there, not the caller's, or in the trash, unless that is looked into too. The
   * answer may come from memory.
   */
  get(caller: Principal, id: string, looking?: Looking): Promise<CachedJob>;
  /** `known`, the total of the same filter, tells which way to the page is the short one. */
  list(
    caller: Principal,
    filter: Omit<JobFilter, 'ownerId'>,
    page: PageRequest,
    known?: Total,
  ): Promise<JobPage>;
  count(caller: Principal, filter: Omit<JobFilter, 'ownerId'>, page: PageRequest): Promise<Total>;
  /** How many come behind the page's cursor. */
  countBehind(caller: Principal, filter: Omit<JobFilter, 'ownerId'>, page: PageRequest): Promise<Total>;
  /** The cursor of the page behind a job. Throws `job_not_found`. */
  cursorAfter(caller: Principal, id: string, page: Pick<PageRequest, 'sort' | 'order'>): Promise<string>;
  events(caller: Principal, id: string): Promise<EventRecord[]>;
  /** Throws `job_already_finished`. */
  cancel(caller: Principal, id: string): Promise<Job>;
  /** Moves a job to the trash; an open one is cancelled first. Nothing happens to one that is there already. */
  trash(caller: Principal, id: string): Promise<{ job: Job }>;
  /** Takes a job out of the trash. Throws `not_in_trash`. */
  restore(caller: Principal, id: string): Promise<Job>;
  /** Deletes a finished job and its files, one in the trash too. Throws `job_not_finished`. */
  purge(caller: Principal, id: string): Promise<void>;
  /** Deletes a job wherever it stands, cancelling it first when it is open. */
  remove(caller: Principal, id: string): Promise<void>;
  /** A file of a completed job. Throws `video_not_completed`, `content_not_found`. */
  file(caller: Principal, id: string, variant: keyof JobFiles, looking?: Looking): Promise<StoredFile>;
  open(file: StoredFile, range?: ByteRange): Promise<Chunks>;
  /** An address at the store that anybody may read the file at for a while; undefined: files pass through us. */
  link(file: StoredFile, shown: { filename: string; attachment: boolean }): Promise<string | undefined>;
  /** For operators: jobs of which nobody knows whether the provider took them, and what to do about one. */
  listDoubtful(): Promise<DoubtfulJob[]>;
  decide(id: string, decision: Decision, actor: Actor): Promise<Job>;
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

  async function owned(caller: Principal, id: string, looking?: Looking): Promise<CachedJob> {
    const entry = await cache.get(id, load);
    // Somebody else's is answered like nothing: an id gives nothing away.
    if (entry?.job.owner_id !== caller.ownerId) throw new AppError('job_not_found');
    const { deleted_at: hidden, trashed_at: trashed } = entry.job;
    if (hidden && !(trashed && looking?.trashToo)) throw new AppError('job_not_found');
    return entry;
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
    list: (caller, filter, page, known) => pageJobs(db, { ...filter, ownerId: caller.ownerId }, page, known),
    count: (caller, filter, page) => countJobs(db, { ...filter, ownerId: caller.ownerId }, page.sort),
    countBehind: (caller, filter, page) =>
      countJobs(db, { ...filter, ownerId: caller.ownerId }, page.sort, page),
    async cursorAfter(caller, id, page) {
      const cursor = await cursorAfter(db, caller.ownerId, id, page);
      if (cursor === undefined) throw new AppError('job_not_found', { param: 'after' });
      return cursor;
    },
    async events(caller, id) {
      await owned(caller, id, TRASH_TOO);
      return listJobEvents(db, caller.ownerId, id);
    },
    async cancel(caller, id) {
      await owned(caller, id, TRASH_TOO);
      return cancelJob(parts, id);
    },
    async trash(caller, id) {
      const { job } = await owned(caller, id, TRASH_TOO);
      if (job.trashed_at) return { job };
      if (!isFinal(job.status)) await cancelJob(parts, id).catch(unlessFinished);
      const [trashed] = await parts.write((write) => trashJobs(write, caller.ownerId, [id]));
      // Somebody else was first: it is in the trash by now, or gone.
      return trashed ? { job: trashed } : owned(caller, id, TRASH_TOO);
    },
    async restore(caller, id) {
      await owned(caller, id, TRASH_TOO);
      const [job] = await parts.write((write) => restoreJobs(write, caller.ownerId, [id]));
      if (!job) throw new AppError('not_in_trash');
      return job;
    },
    async purge(caller, id) {
      await owned(caller, id, TRASH_TOO);
      await discardJob(parts, id);
    },
    async remove(caller, id) {
      const { job } = await owned(caller, id);
      if (!isFinal(job.status)) await cancelJob(parts, id).catch(unlessFinished);
      await discardJob(parts, id);
    },
    async file(caller, id, variant, looking) {
      const { job } = await owned(caller, id, looking);
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
    decide: (id, decision, actor) => decide(parts, id, decision, actor),
    countByStatus: () => countByStatus(db),
  };
}

export function unlessFinished(error: unknown): undefined {
  if (error instanceof AppError && error.code === 'job_already_finished') return undefined;
  throw error;
}

/** Why there is no file, in words that fit where the job stands. */
export function unfinishedText(job: Job): string {
  if (job.status === 'failed') return `The video failed: ${job.error_message ?? job.error_code}`;
  if (job.status === 'cancelled') return 'The video was cancelled.';
  return `The video is not finished yet: it is ${job.status}, ${job.progress} % done.`;
}
