import { newId } from '../core/ids.ts';
import { insertAttempts } from './attempts.repository.ts';
import { chooseNext, connectionsWaiting, countRunning, saveTurns } from './admission.repository.ts';
import { attemptKey, connectionNames, type EngineParts, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { moveJob } from './moves.repository.ts';
import { allowance, firstPace } from './pace.ts';
import { lockPaceOrLeave, savePace } from './pace.repository.ts';

/** Most jobs admitted in one transaction. */
const BATCH = 200;

/**
 * Fills the free places of every connection on which somebody waits. In one transaction each: the jobs are in work,
 * their attempts intended, their submit tasks queued. Returns how many were admitted.
 */
export async function admitWaiting(parts: EngineParts): Promise<number> {
  const now = new Date(parts.clock.now());
  let admitted = 0;
  for (const name of await connectionsWaiting(parts.db, connectionNames(parts.catalog), now)) {
    admitted += await admitTo(parts, name);
  }
  return admitted;
}

async function admitTo(parts: EngineParts, connectionName: string): Promise<number> {
  const connection = parts.catalog.connection(connectionName);
  if (!connection) return 0;
  return parts.write(async (write) => {
    const pace = await lockPaceOrLeave(write, connectionName, firstPace(connection, write.now));
    if (!pace) return 0;
    const { running, isLimited } = await countRunning(write, connectionName);
    const { free, tokens } = allowance(pace, connection, running, write.now);
    if (free === 0) return 0;
    const chosen = await chooseNext(write, connectionName, Math.min(free, BATCH), { isLimited });
    const attempts = [];
    const served = [];
    for (const job of chosen) {
      const changes = {
        started_at: write.now,
        tries: job.tries + 1,
        due_at: new Date(write.now.getTime() + STEP_RESCUE_MS),
        deadline_at: job.deadline_at ?? new Date(write.now.getTime() + parts.deadlines.overdueMs),
      };
      const admitted = await moveJob(write, job.id, 'admit', changes, { attempt: job.tries + 1 });
      if (!admitted) continue;
      served.push(job);
      attempts.push({
        id: newId('att'),
        jobId: job.id,
        number: job.tries + 1,
        connection: connectionName,
        plan: job.plan,
      });
    }
    await saveTurns(write, connectionName, served);
    await insertAttempts(write.tx, attempts, write.now);
    await write.queue.send(
      write.tx,
      TASKS.submit,
      attempts.map(({ jobId, number }) => ({ key: attemptKey(jobId, number), data: { jobId } })),
    );
    if (connection.maxCallsPerMinute !== undefined) {
      const left = { ...pace, tokens: tokens - attempts.length, refilled_at: write.now };
      await savePace(write, connectionName, left);
    }
    return attempts.length;
  });
}
