import type { Transaction } from 'kysely';
import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { gather } from '../core/gather.ts';
import { asObject } from '../core/json.ts';
import type { Db } from '../database/open.ts';
import type { DB } from '../database/schema.ts';
import { denialsIn } from '../usage/meters.repository.ts';
import { quotaError } from '../usage/quota.ts';
import type { ClientRetry } from './client-retry.ts';
import { findAnswer } from './client-retry.repository.ts';
import type { EngineParts } from './engine.ts';
import type { Job } from './job.ts';
import { type Insertion, insertJobs, type KeyClaim } from './insert-jobs.repository.ts';
import { findFormer, noteTry } from './repeated-create.ts';

/** What a client is told: `id` is what `Location` names, `body` is sent as it is. */
type Answer = Pick<Draft, 'id' | 'body'>;

/** What a creating request comes to: jobs that are created together or not at all, and the answer. */
export interface Draft {
  /** What `Location` names: the job, or the batch. */
  id: string;
  jobs: readonly Job[];
  /** The answer's body. */
  body: string;
  /** SQL that belongs to the same transaction and comes before the jobs. */
  before?(tx: Transaction<DB>): Promise<void>;
}

export interface CreateRequest {
  retry: ClientRetry;
  /** Checks and plans; called once, unless a first answer stands already. Nothing is created when it throws. */
  draft(): Draft | Promise<Draft>;
  /** The answer for a job that this very request created before; without it a retry needs a key to be known. */
  again?(job: Job, db: Db): Answer | Promise<Answer>;
}

export interface Created {
  id: string;
  /** The answer's body: the first one, word for word, when this is a repetition. */
  body: string;
  replayed: boolean;
}

/** Classes of SQLSTATEs: values that cannot be stored, broken constraints, deadlocks. The server has rolled back. */
const ROLLED_BACK = /^(2[23]|40)/;
/** How long a key stands for its first answer. */
export const KEY_LIFETIME_MS = 24 * 60 * 60_000;
/** A first try whose answer ends later than this after its job's creation has that written down. */
const SLOW_DRAFT_MS = 1000;
const QUARTER_MS = 15 * 60_000;
/** How many creating requests share one statement: enough to share its cost, few enough not to wait for it. */
const MOST_TOGETHER = 50;

/**
 * Creates what a request asks for, or finds what that very request created before. Throws what the draft throws, and
 * `idempotency_key_reused`.
 */
export type Create = (caller: Principal, request: CreateRequest) => Promise<Created>;

export function createCreate(
  parts: EngineParts & {
    /** Where the days of quotas begin. */
    quotaZone: string;
    onCreated: () => void;
  },
): Create {
  const { db, clock, quotaZone } = parts;
  /** Requests being worked on here: a retry that overtakes its predecessor waits for it. */
  const underway = new Map<string, Set<Promise<Created>>>();

  // Those of one key are counted in one row, which they would otherwise wait for one by one, each as long as the disk takes.
  const insertTogether = gather<Insertion, boolean>({
    laneOf: ({ jobs: [job] }) => laneOf(job),
    run: (insertions) => insertJobs(db, insertions, quotaZone),
    refuses: isRefusal,
    most: MOST_TOGETHER,
  });

  /** False when the key of the claim was taken. */
  async function insert({ jobs, before }: Draft, claim?: KeyClaim): Promise<boolean> {
    if (!before) return insertTogether({ jobs, claim });
    return db
      .transaction()
      .execute(async (tx) => {
        await before(tx);
        const [isInserted] = await insertJobs(tx, [{ jobs, claim }], quotaZone);
        // Rolls back what came before: the key stands for something else.
        if (!isInserted) throw new KeyTaken();
        return true;
      })
      .catch((error: unknown) => {
        if (error instanceof KeyTaken) return false;
        throw error;
      });
  }

  /** The key's first use creates; every other one gets the first one's answer. */
  async function createWithKey(
    draft: Draft,
    ownerId: string,
    key: string,
    retry: ClientRetry,
  ): Promise<Created> {
    const expiredBefore = new Date(clock.now() - KEY_LIFETIME_MS);
    const claim = { key, fingerprint: retry.fingerprint, response: draft.body, expiredBefore };
    // Its retries bring the key: it is no answer to those that bring none.
    const jobs = draft.jobs.map((job) => ({ ...job, fingerprint: null }));
    if (await insert({ ...draft, jobs }, claim)) return first(draft);
    const replayed = await replay(ownerId, key, retry);
    if (!replayed) throw new Error('a key was taken, and nobody has it');
    return replayed;
  }

  /** The answer a key stands for, if it was used within its lifetime. */
  async function replay(ownerId: string, key: string, retry: ClientRetry): Promise<Created | undefined> {
    const kept = await findAnswer(db, ownerId, key, new Date(clock.now() - KEY_LIFETIME_MS));
    if (!kept) return undefined;
    if (kept.fingerprint !== retry.fingerprint) {
      throw new AppError('idempotency_key_reused', { param: 'Idempotency-Key' });
    }
    return { id: idIn(kept.response), body: kept.response, replayed: true };
  }

  /** A retry without a key: one after the other, and only if the request has not come through before. */
  async function createRetried(
    draft: Draft,
    ownerId: string,
    retry: ClientRetry,
    again: NonNullable<CreateRequest['again']>,
  ): Promise<Created> {
    const created = await db.transaction().execute(async (tx) => {
      const former = await findFormer(tx, ownerId, retry, clock.now());
      if (former) return { ...(await again(former, tx)), replayed: true };
      await draft.before?.(tx);
      await insertJobs(tx, [{ jobs: draft.jobs }], quotaZone);
      await noteTry(tx, draft.jobs, retry, clock.now());
      return { id: draft.id, body: draft.body, replayed: false };
    });
    if (!created.replayed) parts.onCreated();
    return created;
  }

  /** Where pictures were fetched first, the answer ends long after the time that the job bears. */
  function noting(draft: Draft, retry: ClientRetry): Draft {
    return {
      ...draft,
      async before(tx) {
        await draft.before?.(tx);
        await noteTry(tx, draft.jobs, retry, clock.now());
      },
    };
  }

  function first({ id, body }: Draft): Created {
    parts.onCreated();
    return { id, body, replayed: false };
  }

  async function createNow(caller: Principal, request: CreateRequest): Promise<Created> {
    const { retry, again } = request;
    const { key } = retry;
    // Before anything else: a first answer stands, even if its model has gone since then.
    const kept = key === undefined ? undefined : await replay(caller.ownerId, key, retry);
    if (kept) return kept;
    const { ownerId } = caller;
    const repeated = key === undefined && retry.retryCount > 0 ? again : undefined;
    if (repeated) {
      // For the same reason; it is looked up once more when there is a draft.
      const former = await db.transaction().execute((tx) => findFormer(tx, ownerId, retry, clock.now()));
      if (former) return { ...(await repeated(former, db)), replayed: true };
    }
    const startedAt = clock.now();
    const draft = await request.draft();
    if (key !== undefined) return createWithKey(draft, ownerId, key, retry);
    if (repeated) return createRetried(draft, ownerId, retry, repeated);
    const isSlow = clock.now() - startedAt > SLOW_DRAFT_MS;
    if (!(await insert(isSlow ? noting(draft, retry) : draft)))
      throw new Error('what has no key was not inserted');
    return first(draft);
  }

  return async (caller, request) => {
    const { fingerprint, retryCount } = request.retry;
    if (retryCount > 0) await Promise.allSettled(underway.get(fingerprint) ?? []);
    const creating = createNow(caller, request).catch(inOurWords);
    const alike = underway.get(fingerprint) ?? new Set();
    underway.set(fingerprint, alike.add(creating));
    try {
      return await creating;
    } finally {
      alike.delete(creating);
      if (alike.size === 0) underway.delete(fingerprint);
    }
  };
}

/**
 * Whose statement a job may share: that of its owner, person and key, and of its time, since all of a statement is counted in
 * one day. Days begin on quarters of an hour in every zone.
 */
export function laneOf(
  job: Pick<Job, 'owner_id' | 'user_id' | 'api_key_id' | 'created_at'> | undefined,
): string {
  const quarter = job && Math.floor(job.created_at.getTime() / QUARTER_MS);
  return JSON.stringify([job?.owner_id, job?.user_id, job?.api_key_id, quarter]);
}

class KeyTaken extends Error {}

/** What one request can bring about for all that share its statement, of which then nothing has happened. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  const isRolledBack = typeof code === 'string' && ROLLED_BACK.test(code);
  return isRolledBack || denialsIn(error) !== undefined;
}

/** What only the statement itself finds out: a quota that does not suffice, an asset that was deleted meanwhile. */
function inOurWords(error: unknown): never {
  const denials = denialsIn(error);
  if (denials) throw quotaError(denials);
  const { constraint } = error as { constraint?: unknown };
  if (constraint === 'jobs_asset_id_fkey')
    throw new AppError('asset_not_found', { param: 'input_reference' });
  throw error;
}

/** The id that an answer names, in either API. */
function idIn(body: string): string {
  const answer = asObject(JSON.parse(body)) ?? {};
  const data = asObject(answer['data']) ?? answer;
  return String(data['jobId'] ?? data['batchId'] ?? data['id']);
}
