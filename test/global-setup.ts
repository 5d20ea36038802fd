import { systemClock } from '../src/core/clock.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { databaseSetup, migrateTemplate } from '../src/database/testing-setup.ts';
import { createQueue } from '../src/queue/queue.ts';

/** One PostgreSQL per run, with a template that has our tables and the queue's. */
export default databaseSetup(async (url) => {
  await migrateTemplate(url);
  const queue = createQueue({ url, log: silentLog, clock: systemClock });
  await queue.start({ work: false });
  await queue.stop(1000);
});
