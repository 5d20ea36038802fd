import { appendEvents } from '../events/events.repository.ts';
import type { EngineParts } from './engine.ts';
import { failJob } from './failure.ts';
import type { Job } from './job.ts';
import { noteTroubles } from './judge.ts';
import { type Doubt, doubtOfFile, nextFetchAt } from './patience.ts';
import { findTrouble, isStillTroubled } from './trouble.repository.ts';

/** A word about the file is written into the job's events so many times; after that it only goes on. */
const TOLD_TIMES = 3;

/**
 * Notes that a file could not be fetched, checked or stored. When it is proven that there will be none, the job fails:
 * true. A worker that died or a connection that broke says nothing about the file.
 */
export async function refuseFile(parts: EngineParts, job: Job, error: unknown): Promise<boolean> {
  const doubt = doubtOfFile(error);
  const before = await findTrouble(parts.db, job.id);
  const told = before?.reason === doubt.reason ? before.looks : 0;
  const proven = await parts.write(async (write) => {
    const found = { jobId: job.id, connection: job.connection, doubt, lacked: false };
    const judged = await noteTroubles(write, 'archiving', [found]);
    if (doubt.proof && told < TOLD_TIMES) {
      const data = { code: doubt.code };
      await appendEvents(write.tx, [
        { ownerId: job.owner_id, jobId: job.id, type: 'job.file_refused', data, at: write.now },
      ]);
    }
    return judged.length > 0;
  });
  return proven && (await failProven(parts, job, doubt));
}

async function failProven(parts: EngineParts, job: Job, doubt: Doubt): Promise<boolean> {
  const charged = job.charged_micros === null ? null : job.charged_micros > 0;
  const { code, message } = doubt;
  return parts.write(async (write) => {
    if (!(await isStillTroubled(write, job.id, 'archiving', doubt))) return false;
    await failJob(write, job.id, { code, message, retryable: true, charged });
    return true;
  });
}

/** How long to leave a job's file alone, in ms; 0 when it is worth a try now. */
export async function pauseBeforeFetch(parts: EngineParts, jobId: string): Promise<number> {
  const trouble = await findTrouble(parts.db, jobId);
  if (!trouble) return 0;
  return Math.max(0, nextFetchAt(trouble.reason, trouble) - parts.clock.now());
}
