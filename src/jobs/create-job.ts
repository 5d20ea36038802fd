import type { Kysely, Transaction } from 'kysely';
import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import type { ClientRetry } from './client-retry.ts';
import { findAnswer, findByFingerprint, lockFingerprint } from './client-retry.repository.ts';
import type { EngineParts } from './engine.ts';
import { type Job, type Priority, PRIORITIES } from './job.ts';
import { insertJob, type KeyClaim } from './jobs.repository.ts';
import { newJob } from './new-job.ts';
import { type ReferenceInput, storeReference } from './reference.ts';
import { resolveRequest } from './video-request.ts';

/** What a client asks for; checked against the model here. */
export interface CreateJob {
  prompt: string;
  model?: string | undefined;
  seconds?: number | undefined;
  resolution?: string | undefined;
  aspectRatio?: string | undefined;
  reference?: ReferenceInput | undefined;
  priority?: Priority | undefined;
  name?: string | undefined;
  tags?: string[] | undefined;
  metadata?: Record<string, string> | undefined;
  webhookUrl?: string | undefined;
}

/** Where a request comes from and how its answer looks, so that a repetition gets the same one. */
export interface CreateOrigin extends ClientRetry {
  /** The answer's body for a job. */
  render(job: Job): string;
}

export interface Created {
  jobId: string;
  /** The answer's body: the first one, word for word, when this is a repetition. */
  body: string;
  replayed: boolean;
}

/** How long a key stands for its first answer. */
export const KEY_LIFETIME_MS = 24 * 60 * 60_000;
/** A retry without a key is taken for one of a request that came at most this long before. */
const RETRY_WINDOW_MS = 5 * 60_000;

export interface JobCreation {
  /**
   * Creates a job, or finds the one that this very request created before. Throws what `resolveRequest` and the catalog
   * throw, and `idempotency_key_reused`.
   */
  create(caller: Principal, input: CreateJob, origin: CreateOrigin): Promise<Created>;
}

export function createJobCreation(parts: EngineParts & { onCreated: () => void }): JobCreation {
  const { db, catalog, clock } = parts;
  /** Requests being worked on here: a retry that overtakes its predecessor waits for it. */
  const underway = new Map<string, Promise<Created>>();

  async function draft(caller: Principal, input: CreateJob, fingerprint: string): Promise<Job> {
    const entry = catalog.resolve(input.model);
    const request = resolveRequest({ ...input, hasReference: input.reference !== undefined }, entry.model);
    const plan = entry.connection.provider.plan(request, entry.model);
    const reference = input.reference ? await storeReference(parts, input.reference) : undefined;
    return newJob({
      id: newId('video'),
      owner_id: caller.userId,
      api_key_id: caller.keyId,
      name: input.name ?? null,
      priority: PRIORITIES[input.priority ?? 'normal'],
      model: entry.alias ?? entry.model.id,
      connection: entry.connection.name,
      prompt: request.prompt,
      seconds: plan.seconds,
      width: plan.size.width,
      height: plan.size.height,
      plan: { ...plan, size: { ...plan.size } },
      reference_key: reference?.key ?? null,
      reference_type: reference?.contentType ?? null,
      tags: input.tags ?? [],
      metadata: input.metadata ?? {},
      webhook_url: input.webhookUrl ?? null,
      estimated_micros: plan.quoteMicros,
      fingerprint,
      created_at: new Date(clock.now()),
    });
  }

  async function insert(
    handle: Kysely<DB> | Transaction<DB>,
    job: Job,
    origin: CreateOrigin,
    claim?: KeyClaim,
  ): Promise<Created | undefined> {
    const body = claim?.response ?? origin.render(job);
    if (!(await insertJob(handle, job, claim))) return undefined;
    parts.onCreated();
    return { jobId: job.id, body, replayed: false };
  }

  /** The key's first use creates; every other one gets the first one's answer. */
  async function createWithKey(job: Job, key: string, origin: CreateOrigin): Promise<Created> {
    const expiredBefore = new Date(job.created_at.getTime() - KEY_LIFETIME_MS);
    const claim = { key, fingerprint: origin.fingerprint, response: origin.render(job), expiredBefore };
    const created = await insert(db, job, origin, claim);
    if (created) return created;
    const replayed = await replay(job.owner_id, key, origin);
    if (!replayed) throw new Error('a key was taken, and nobody has it');
    return replayed;
  }

  /** The answer a key stands for, if it was used within its lifetime. */
  async function replay(ownerId: string, key: string, origin: CreateOrigin): Promise<Created | undefined> {
    const kept = await findAnswer(db, ownerId, key, new Date(clock.now() - KEY_LIFETIME_MS));
    if (!kept) return undefined;
    if (kept.fingerprint !== origin.fingerprint) {
      throw new AppError('idempotency_key_reused', { param: 'Idempotency-Key' });
    }
    const { data, id } = JSON.parse(kept.response) as { data?: { jobId: string }; id?: string };
    return { jobId: data?.jobId ?? id ?? '', body: kept.response, replayed: true };
  }

  /** A retry without a key: one after the other, and only if the request has not come through before. */
  async function createRetried(job: Job, origin: CreateOrigin): Promise<Created> {
    const created = await db.transaction().execute(async (tx) => {
      await lockFingerprint(tx, origin.fingerprint);
      const since = new Date(job.created_at.getTime() - RETRY_WINDOW_MS);
      const former = await findByFingerprint(tx, origin.fingerprint, since);
      if (former) return { jobId: former.id, body: origin.render(former), replayed: true };
      await insertJob(tx, job);
      return { jobId: job.id, body: origin.render(job), replayed: false };
    });
    if (!created.replayed) parts.onCreated();
    return created;
  }

  async function createNow(caller: Principal, input: CreateJob, origin: CreateOrigin): Promise<Created> {
    // Before anything else: a first answer stands, even if its model has gone since then.
    const kept = origin.key === undefined ? undefined : await replay(caller.userId, origin.key, origin);
    if (kept) return kept;
    const job = await draft(caller, input, origin.fingerprint);
    if (origin.key !== undefined) return createWithKey(job, origin.key, origin);
    if (origin.isRetry) return createRetried(job, origin);
    const created = await insert(db, job, origin);
    if (!created) throw new Error('a job without a key was not inserted');
    return created;
  }

  return {
    async create(caller, input, origin) {
      const { fingerprint } = origin;
      if (origin.isRetry) await underway.get(fingerprint)?.catch(() => {});
      const creating = createNow(caller, input, origin);
      underway.set(fingerprint, creating);
      try {
        return await creating;
      } finally {
        if (underway.get(fingerprint) === creating) underway.delete(fingerprint);
      }
    },
  };
}
