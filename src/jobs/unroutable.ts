import { findLiveAttempt, lockAttempt } from './attempts.repository.ts';
import type { EngineParts } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import { findUnroutable } from './unroutable.repository.ts';
import type { Write } from './write.ts';

/** An operator who takes a connection away for a moment loses nothing: its jobs are given up only after this. */
export const UNROUTABLE_MS = 60 * 60_000;

const UNROUTABLE: Failure = {
  code: 'connection_missing',
  message: 'The connection this video was meant for is no longer configured.',
  retryable: true,
  charged: false,
};

/**
 * Fails what waits for a connection that no process has served for an hour. What this process itself serves is no matter,
 * and it says nothing before it has watched for that long.
 */
export async function failUnroutable(
  parts: Pick<EngineParts, 'db' | 'clock' | 'write' | 'presence'>,
): Promise<void> {
  const before = new Date(parts.clock.now() - UNROUTABLE_MS);
  if (parts.presence.watchingSince() > before) return;
  for (const { id } of await findUnroutable(parts.db, before)) {
    await parts.write((write) => failIfStill(write, id, before));
  }
}

/** Judged again under the attempt's lock: a process may have come up with the connection, and be about to call. */
async function failIfStill(write: Write, id: string, before: Date): Promise<void> {
  const attempt = await findLiveAttempt(write.tx, id);
  if (attempt) await lockAttempt(write.tx, attempt.id);
  const [job] = await findUnroutable(write.tx, before, id);
  if (job) await failJob(write, id, UNROUTABLE, { stage: job.stage, tries: job.tries });
}
