import type { Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { ClientRetry } from './client-retry.ts';
import { findRepeated, lockFingerprint, saveRetry } from './client-retry.repository.ts';
import type { Job } from './job.ts';

/**
 * A retry without a key is taken for one of a request whose answer ended at most this long before, for each try since then:
 * those in between may not have come through. The official clients wait for at most 8 s; the rest is for the loss to be
 * noticed.
 */
const RETRY_WINDOW_MS = 20_000;

/** The official clients wait for longer than this before a retry: what comes sooner with the same number is the same one. */
const SAME_RETRY_MS = 500;

/**
 * The job that a retry without a key repeats, which from then on has answered that retry as well. `nowMs` is the time. Holds
 * back other retries of the same request until the transaction ends.
 */
export async function findFormer(
  tx: Transaction<DB>,
  ownerId: string,
  { fingerprint, retryCount }: ClientRetry,
  nowMs: number,
): Promise<Job | undefined> {
  await lockFingerprint(tx, fingerprint);
  const since = new Date(nowMs - RETRY_WINDOW_MS * retryCount);
  const sameSince = new Date(nowMs - SAME_RETRY_MS);
  const former = await findRepeated(tx, { ownerId, fingerprint, retryCount, since, sameSince });
  if (former) await saveRetry(tx, former.id, retryCount, new Date(nowMs));
  return former;
}

/** Says which try of its request a new job answers, and that the answer ends at `nowMs`. */
export async function noteTry(
  tx: Transaction<DB>,
  jobs: readonly Job[],
  { fingerprint, retryCount }: ClientRetry,
  nowMs: number,
): Promise<void> {
  const found = jobs.find((job) => job.fingerprint === fingerprint);
  if (found) await saveRetry(tx, found.id, retryCount, new Date(nowMs));
}
