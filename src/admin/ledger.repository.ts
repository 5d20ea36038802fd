import { type Kysely, type Selectable, sql } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { LedgerTable } from '../database/schema-money.ts';
import type { DB } from '../database/schema.ts';

export type LedgerRow = Selectable<LedgerTable>;

export const ENTRY_KINDS = ['hold', 'release', 'charge', 'correction'] as const;

export interface LedgerFilter {
  owner?: string | undefined;
  job?: string | undefined;
  kind?: readonly LedgerRow['kind'][] | undefined;
  provider?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** One more than the page, the latest first. */
export async function listEntries(
  db: Kysely<DB>,
  filter: LedgerFilter,
  limit: number,
  behind?: number,
): Promise<LedgerRow[]> {
  let query = db.selectFrom('ledger').selectAll();
  if (filter.owner !== undefined) query = query.where('owner_id', '=', filter.owner);
  if (filter.job !== undefined) query = query.where('job_id', '=', filter.job);
  if (filter.kind) query = query.where('kind', 'in', [...filter.kind]);
  if (filter.provider !== undefined) query = query.where('connection', '=', filter.provider);
  if (filter.from !== undefined) query = query.where('created_at', '>=', new Date(filter.from));
  if (filter.to !== undefined) query = query.where('created_at', '<', new Date(filter.to));
  if (behind !== undefined) query = query.where('id', '<', behind);
  return query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
}

export interface Balances {
  held: Micros;
  spent: Micros;
  /** By connection. */
  owed: { provider: string; micros: Micros }[];
}

/** How the accounts stand, of one owner or of all. What is owed comes from the sums: the ledger may be long. */
export async function readBalances(db: Kysely<DB>, owner?: string): Promise<Balances> {
  const { rows } = await sql<{ kind: string; micros: Micros }>`
    select split_part(account, '/', 1) as kind, sum(micros) as micros from balances
    where ${owner === undefined ? sql`true` : sql`account in (${`held/${owner}`}, ${`spent/${owner}`})`}
    group by 1`.execute(db);
  const mine = owner === undefined ? sql`true` : sql`owner_id = ${owner}`;
  const owed = await sql<{ provider: string; micros: Micros }>`
    select connection as provider, sum(charged_micros) as micros from (
      select connection, charged_micros from usage_days join usage_dims on usage_dims.id = dim
      where zone = (select id from usage_zones where name = 'UTC') and ${mine}
      union all select connection, charged_micros from usage_deltas where ${mine}
    ) as used group by 1 having sum(charged_micros) <> 0 order by 1`.execute(db);
  const of = (kind: string) => rows.find((row) => row.kind === kind)?.micros ?? 0;
  return { held: of('held'), spent: of('spent'), owed: owed.rows };
}
