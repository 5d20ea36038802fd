import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Micros } from '../core/money.ts';
import { sumImbalance } from './ledger-watch.repository.ts';
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
    select coalesce(sums.account, balances.account) as what
    from (
      select account, sum(micros) as micros from (
        select debit as account, amount_micros as micros from ledger
        union all select credit, -amount_micros from ledger
      ) as sides
      where account like 'held/%' or account like 'spent/%' group by account
    ) as sums
    full join balances on balances.account = sums.account
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
  'what a key or a team has used is what was held and charged for it': `
    select meters.scope || ' ' || meters.subject_id as what from meters
    left join lateral (
      select sum(case when debit like 'held/%' or debit like 'spent/%' then amount_micros else -amount_micros end) as micros
      from ledger where case meters.scope when 'key' then key_family(api_key_id) else owner_id end = meters.subject_id
    ) as moved on true
    where meters.scope <> 'user' and meters.usd_total <> coalesce(moved.micros, 0)`,
  'what an ended job says it cost is what was charged': `
    select jobs.id as what from jobs
    left join lateral (
      select sum(case when debit like 'spent/%' then amount_micros else -amount_micros end) as micros from ledger
      where job_id = jobs.id and kind in ('charge', 'correction')
    ) as charged on true
    where jobs.finished_at is not null and imported_at is null and jobs.cancel_outcome is distinct from 'unknown'
      and coalesce(jobs.charged_micros, 0) <> coalesce(charged.micros, 0)`,
  ...ROLLUP_RULES,
};

const SHOWN = 20;

export interface LedgerResult {
  entries: number;
  /** By how much accounts and their entries differ, all accounts together. */
  imbalanceMicros: Micros;
  problems: LedgerProblem[];
}

/** Proves the books, or says where they are wrong. One consistent look; reads everything. */
export async function checkLedger(db: Kysely<DB>): Promise<LedgerResult> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      const problems: LedgerProblem[] = [];
      for (const [rule, query] of Object.entries(LEDGER_RULES)) {
        const { rows } = await sql<{ what: string }>`${sql.raw(query)}`.execute(tx);
        if (rows.length === 0) continue;
        problems.push({ rule, count: rows.length, found: rows.slice(0, SHOWN).map(({ what }) => what) });
      }
      const { entries } = await tx
        .selectFrom('ledger')
        .select((eb) => eb.fn.countAll<number>().as('entries'))
        .executeTakeFirstOrThrow();
      return { entries, problems, imbalanceMicros: await sumImbalance(tx) };
    });
}
