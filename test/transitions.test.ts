import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { type Job, JOB_STATUSES, type JobStatus, TRANSITIONS } from '../src/jobs/job.ts';
import { createTestApp } from './create-test-app.ts';

/** Everything else about a row that the CHECKs want to see for a status. */
function rowOf(status: JobStatus) {
  const finished = ['completed', 'failed', 'cancelled'].includes(status);
  return {
    status,
    stage: finished ? 'finished' : status === 'pending' ? 'queued' : 'rendering',
    finished_at: finished ? new Date() : null,
    started_at: status === 'pending' ? null : new Date(),
    result: status === 'completed' ? '{}' : null,
    progress: status === 'completed' ? 100 : 0,
    error_code: status === 'failed' ? 'x' : null,
    cancel_outcome: status === 'cancelled' ? ('unknown' as const) : null,
  };
}

test('the database allows the transitions of the table and no other, whoever writes them', async () => {
  const { admin, db } = await createTestApp();
  const { jobId } = await admin.create();
  const template = await db.selectFrom('jobs').selectAll().where('id', '=', jobId).executeTakeFirstOrThrow();
  for (const from of JOB_STATUSES) {
    for (const to of JOB_STATUSES.filter((status) => status !== from)) {
      const id = `video_${from}_${to}`;
      const { search: _generated, ...row } = template;
      const values = { ...row, id, plan: '{}', metadata: '{}', derived: null, ...rowOf(from) };
      await db.insertInto('jobs').values(values).execute();
      const update = db.updateTable('jobs').set(rowOf(to)).where('id', '=', id).execute();
      if (TRANSITIONS[from].includes(to)) await expect(update).resolves.toBeDefined();
      else await expect(update, `${from} → ${to}`).rejects.toThrow(`cannot go from ${from} to ${to}`);
    }
  }
});

test.each<[string, Partial<Record<keyof Job, unknown>>]>([
  ['completed without a result', { ...rowOf('completed'), result: null }],
  ['failed without a code', { ...rowOf('failed'), error_code: null }],
  ['cancelled without an outcome', { ...rowOf('cancelled'), cancel_outcome: null }],
  ['final without a time', { ...rowOf('failed'), finished_at: null }],
  ['open with a time of its end', { ...rowOf('processing'), finished_at: new Date() }],
  ['processing that never started', { ...rowOf('processing'), started_at: null }],
  ['completed at 99 %', { ...rowOf('completed'), progress: 99 }],
  ['an unknown status', { status: 'lost' }],
])('the database refuses a job that is %s', async (_what, change) => {
  const { admin, db } = await createTestApp();
  const { jobId } = await admin.create();
  await db.updateTable('jobs').set(rowOf('processing')).where('id', '=', jobId).execute();
  const update = db
    .updateTable('jobs')
    .set(change as never)
    .where('id', '=', jobId)
    .execute();
  await expect(update).rejects.toThrow(/violates check constraint|cannot go from/);
});

test('a job can have one live attempt at most, and events are never changed', async () => {
  const { admin, db, settle } = await createTestApp({ SIMULATOR_SPEED: '1' });
  const { jobId } = await admin.create();
  await settle();
  const second = sql`insert into attempts (id, job_id, number, connection, state, plan, created_at)
    values ('att_2', ${jobId}, 2, 'simulator', 'intended', '{}', now())`;
  await expect(second.execute(db)).rejects.toThrow('attempts_live');
  await expect(sql`update events set type = 'x'`.execute(db)).rejects.toThrow('append-only');
  await expect(sql`delete from events`.execute(db)).rejects.toThrow('append-only');
});
