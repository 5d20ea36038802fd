import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { systemClock } from '../src/core/clock.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { databaseSetup, migrateTemplate } from '../src/database/testing-setup.ts';
import { createQueue } from '../src/queue/queue.ts';
import { CLIPS_VARIABLE } from './test-env.ts';

/** One PostgreSQL per run, with a template that has our tables and the queue's. */
const database = databaseSetup(async (url) => {
  await migrateTemplate(url);
  const queue = createQueue({ url, log: silentLog, clock: systemClock });
  await queue.start({ work: false });
  await queue.stop(1000);
});

/** What all tests of a run share: the database server, and the clips that the simulator has rendered already. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const clips = await mkdtemp(join(tmpdir(), 'sora-test-clips-'));
  process.env[CLIPS_VARIABLE] = clips;
  const tearDown = await database(project);
  return async () => {
    await tearDown();
    await rm(clips, { recursive: true, force: true });
  };
}
