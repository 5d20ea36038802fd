import { type Kysely, sql } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { DB } from '../database/schema.ts';

/** The last proof of the books, of whichever process. */
export interface LedgerFindings {
  checkedAt: Date;
  tookMs: number;
  entries: number;
  /** By how much accounts and their entries differ, all accounts together. */
  imbalanceMicros: Micros;
  problems: { rule: string; count: number }[];
}

export async function findFindings(db: Kysely<DB>): Promise<LedgerFindings | undefined> {
  return db
    .selectFrom('ledger_checks')
    .select([
      'checked_at as checkedAt',
      'took_ms as tookMs',
      'entries',
      'imbalance_micros as imbalanceMicros',
      'problems',
    ])
    .executeTakeFirst();
}

export async function saveFindings(db: Kysely<DB>, findings: LedgerFindings): Promise<void> {
  const row = {
    checked_at: findings.checkedAt,
    took_ms: findings.tookMs,
    entries: findings.entries,
    imbalance_micros: findings.imbalanceMicros,
    problems: JSON.stringify(findings.problems),
  };
  await db
    .insertInto('ledger_checks')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute();
}

/** How far accounts are from the sums of their entries; 0 when the books balance. */
export async function sumImbalance(db: Kysely<DB>): Promise<Micros> {
  const { rows } = await sql<{ micros: Micros }>`
    select coalesce(sum(abs(coalesce(sums.micros, 0) - coalesce(balances.micros, 0))), 0) as micros
    from (
      select account, sum(micros) as micros from (
        select debit as account, amount_micros as micros from ledger
        union all select credit, -amount_micros from ledger
      ) as sides where account like 'held/%' or account like 'spent/%' group by account
    ) as sums full join balances on balances.account = sums.account`.execute(db);
  return rows[0]?.micros ?? 0;
}
