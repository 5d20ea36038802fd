import type { Kysely } from 'kysely';
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
