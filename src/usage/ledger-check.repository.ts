import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Micros } from '../core/money.ts';
import { ROLLUP_RULES } from './rollup-check.repository.ts';

/** One rule that the books have to keep, and what breaks it. */
export interface LedgerProblem {
  rule: string;
  /** Ids of jobs or names of accounts; a few of them. */
  found: string[];
  count: number;
}

/** Each query names what breaks its rule, one text a row. */
export const LEDGER_RULES: Readonly<Record<string, string>> = {
  'every account is the sum of its entries': `
    with entries as materialized (
      select debit, credit, sum(amount_micros) as micros from ledger group by debit, credit
    ), sums as (
      select account, sum(micros) as micros from (
        select debit as account, micros from entries union all select credit, -micros from entries
      ) as sides
      where account like 'held/%' or account like 'spent/%' group by account
    )
    select coalesce(sums.account, balances.account) as what,
      abs(coalesce(sums.micros, 0) - coalesce(balances.micros, 0)) as micros
    from sums full join balances on balances.account = sums.account
    where coalesce(sums.micros, 0) <> coalesce(balances.micros, 0)`,
  'nothing is held for a job that has ended': `
    select holds.job_id as what from ledger as holds
    left join jobs on jobs.id = holds.job_id
    where holds.kind = 'hold' and (jobs.id is null or (jobs.finished_at is not null
      and jobs.cancel_outcome is distinct from 'unknown'))
      and not exists (select from ledger as given where given.job_id = holds.job_id and given.kind = 'release')`,
  'every open job that will cost something is held': `
    select id as what from jobs
    where estimated_micros > 0 and imported_at is null and (finished_at is null or cancel_outcome = 'unknown')
      and not exists (select from ledger where job_id = jobs.id and kind = 'hold')`,
  'nothing is held twice or released unheld': `
    select given.job_id as what from ledger as given
    left join ledger as holds on holds.job_id = given.job_id and holds.kind = 'hold'
    where given.kind = 'release' and holds.amount_micros is distinct from given.amount_micros`,
  // Summed up once for all meters; keys of one line of rotations count as the first of them.
  'what a key or a team has used is what was held and charged for it': `
    with moved as materialized (
      select owner_id, api_key_id,
        sum(case when debit like 'held/%' or debit like 'spent/%' then amount_micros else -amount_micros end) as micros
      from ledger where kind <> 'orphan' group by owner_id, api_key_id
    ), used as (
      select scope, subject_id, sum(micros) as micros from (
        select 'team' as scope, owner_id as subject_id, micros from moved
        union all
        select 'key', coalesce(family_id, id), micros from moved join api_keys on api_keys.id = moved.api_key_id
      ) as shares group by scope, subject_id
    )
    select meters.scope || ' ' || meters.subject_id as what
    from meters left join used on used.scope = meters.scope and used.subject_id = meters.subject_id
    where meters.scope <> 'user' and meters.usd_total <> coalesce(used.micros, 0)`,
  // The ledger knows owners only: who asked is kept with the sums of usage, for jobs that are deleted too.
  'what a person has used is what was held and charged for what they asked for': `
    with used as (
      select user_id, sum(held_micros + charged_micros) as micros from (
        select user_id, held_micros, charged_micros from usage_quarters join usage_dims on usage_dims.id = dim
        union all
        select user_id, held_micros, charged_micros from usage_deltas
      ) as sums group by user_id
    )
    select 'user ' || meters.subject_id as what
    from meters left join used on used.user_id = meters.subject_id
    where meters.scope = 'user' and meters.usd_total <> coalesce(used.micros, 0)`,
  'what an ended job says it cost is what was charged': `
    with charged as (
      select job_id, sum(case when debit like 'spent/%' then amount_micros else -amount_micros end) as micros from ledger
      where kind in ('charge', 'correction') group by job_id
    )
    select jobs.id as what from jobs left join charged on charged.job_id = jobs.id
    where jobs.finished_at is not null and imported_at is null and jobs.cancel_outcome is distinct from 'unknown'
      and coalesce(jobs.charged_micros, 0) <> coalesce(charged.micros, 0)`,
  ...ROLLUP_RULES,
};

const SHOWN = 20;
/** What one rule may sort and hash in memory: entries by the million, in one statement at a time. */
const WORK_MEM = '64MB';

/** What a connection charges, or may charge, for work that no job pays for. No owner's cost, and nothing wrong with the books. */
export interface OrphanedSum {
  account: string;
  micros: Micros;
}

export interface LedgerResult {
  entries: number;
  /** By how much accounts and their entries differ, all accounts together. */
  imbalanceMicros: Micros;
  problems: LedgerProblem[];
  orphaned: OrphanedSum[];
}

/**
 * Proves the books, or says where they are wrong. Reads everything, one rule after the other: each is one statement, which sees
 * one moment, and no snapshot is older than the longest of them.
 */
export async function checkLedger(db: Kysely<DB>): Promise<LedgerResult> {
  const problems: LedgerProblem[] = [];
  let imbalanceMicros = 0;
  for (const [rule, query] of Object.entries(LEDGER_RULES)) {
    const rows = await findBreaches(db, query);
    if (rows.length === 0) continue;
    problems.push({ rule, count: rows.length, found: rows.slice(0, SHOWN).map(({ what }) => what) });
    imbalanceMicros += rows.reduce((sum, { micros }) => sum + (micros ?? 0), 0);
  }
  const { entries } = await db
    .selectFrom('ledger')
    .select((eb) => eb.fn.countAll<number>().as('entries'))
    .executeTakeFirstOrThrow();
  return { entries, imbalanceMicros, problems, orphaned: await sumOrphans(db) };
}

async function findBreaches(db: Kysely<DB>, query: string): Promise<{ what: string; micros?: Micros }[]> {
  return db.transaction().execute(async (tx) => {
    await sql`select set_config('work_mem', ${WORK_MEM}, true)`.execute(tx);
    return (await sql<{ what: string; micros?: Micros }>`${sql.raw(query)}`.execute(tx)).rows;
  });
}

async function sumOrphans(db: Kysely<DB>): Promise<OrphanedSum[]> {
  return db
    .selectFrom('ledger')
    .select(['debit as account', (eb) => eb.fn.sum<number>('amount_micros').as('micros')])
    .where('kind', '=', sql.lit('orphan'))
    .groupBy('debit')
    .orderBy('debit')
    .execute();
}
