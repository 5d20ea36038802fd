import { silentLog } from '../../../src/database/silent-log.ts';
import { type Database, openDatabase } from '../../../src/database/open.ts';
import { checkLedger } from '../../../src/usage/ledger-check.repository.ts';
import { embeddedUrl } from '../database.ts';
import type { Fleet } from '../fleet.ts';

/** A way into the product's database with its own words, for as long as `use` takes. */
export async function withDatabase<Result>(
  { database, dataDir }: Fleet,
  use: (db: Database) => Promise<Result>,
): Promise<Result> {
  const url = database?.url ?? (await embeddedUrl(dataDir));
  const options = { maxConnections: 1, log: silentLog, slowQueryMs: 60_000, applicationName: 'crash-test' };
  const db = openDatabase({ url, ...options });
  try {
    return await use(db);
  } finally {
    await db.destroy();
  }
}

/** What `npm run ledger:check` would say. */
export async function brokenBooks(fleet: Fleet): Promise<string[]> {
  const { problems } = await withDatabase(fleet, (db) => checkLedger(db));
  return problems.map(
    ({ rule, count, found }) => `ledger:check: ${rule} (${count}): ${found.slice(0, 3).join(', ')}`,
  );
}

/** Holds whose job has ended or is gone. `ended` in words of the job, to be read. */
const HOLDS = `
  select held.job_id || case when jobs.id is null then ' (its row is gone)'
    else ' (' || jobs.status || ', ' || coalesce(jobs.cancel_outcome, 'no outcome') || ')' end as what
  from ledger as held left join jobs on jobs.id = held.job_id
  where held.kind = 'hold' and (jobs.id is null or jobs.stage = 'finished')
    and not exists (select from ledger as given where given.job_id = held.job_id and given.kind = 'release')`;

export async function endlessHolds({ window }: Fleet): Promise<string[]> {
  return (await window.query<{ what: string }>(HOLDS)).map(({ what }) => what);
}
