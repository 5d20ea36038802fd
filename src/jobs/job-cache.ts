import { LRUCache } from 'lru-cache';
import type { Job } from './job.ts';

const MAX_JOBS = 10_000;

/**
 * Jobs read lately, so that a client that polls costs next to nothing. Every change of a row drops it: at once in the
 * process that made the change, and through the database's notification everywhere else. While notifications cannot
 * be had the cache stands aside.
 */
export interface JobCache {
  /** The job, from memory or through `load`; undefined when there is none. */
  get(id: string, load: (id: string) => Promise<Job | undefined>): Promise<CachedJob | undefined>;
  drop(id: string): void;
  /** Forgets everything; `reliable` says whether notifications of changes arrive from now on. */
  reset(reliable: boolean): void;
}

export interface CachedJob {
  job: Job;
  /** Rendered answers by name, kept as long as the job is. */
  rendered: Map<string, string>;
}

export function createJobCache(): JobCache {
  const jobs = new LRUCache<string, CachedJob>({ max: MAX_JOBS });
  /** Loads under way. A change meanwhile removes its entry: what the load then brings may be old and is not kept. */
  const loading = new Map<string, Promise<CachedJob | undefined>>();
  let reliable = false;

  async function load(
    id: string,
    read: (id: string) => Promise<Job | undefined>,
  ): Promise<CachedJob | undefined> {
    const job = await read(id);
    return job && { job, rendered: new Map() };
  }

  return {
    async get(id, read) {
      const known = jobs.get(id);
      if (known) return known;
      const underway = loading.get(id);
      if (underway) return underway;
      const promise = load(id, read);
      loading.set(id, promise);
      try {
        const entry = await promise;
        if (entry && reliable && loading.get(id) === promise) jobs.set(id, entry);
        return entry;
      } finally {
        if (loading.get(id) === promise) loading.delete(id);
      }
    },
    drop(id) {
      jobs.delete(id);
      loading.delete(id);
    },
    reset(isReliable) {
      reliable = isReliable;
      jobs.clear();
      loading.clear();
    },
  };
}
