import { sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Db } from '../database/open.ts';
import { DAY_MS } from './rules.ts';

/** Not used for long, and no job of its owner names it, whatever its state. */
function idle(assetDays: number, now: Date) {
  return sql`used_at <= ${new Date(now.getTime() - assetDays * DAY_MS)}::timestamptz
    and not exists (select from jobs where jobs.asset_id = assets.id)
    and not exists (select from jobs where jobs.reference_key = assets.storage_key and jobs.owner_id = assets.owner_id)`;
}

export interface IdleAssets {
  count: number;
  bytes: number;
  oldest: Date | null;
  newest: Date | null;
}

export async function sumIdleAssets(db: Db, assetDays: number, now: Date): Promise<IdleAssets> {
  const { rows } = await sql<IdleAssets>`
    select count(*) as count, coalesce(sum(size_bytes), 0)::bigint as bytes,
      min(used_at) as oldest, max(used_at) as newest
    from assets where ${idle(assetDays, now)}`.execute(db);
  return rows[0] ?? { count: 0, bytes: 0, oldest: null, newest: null };
}

/** Deletes some of them; one that is being taken for a new video right now is left alone. */
export async function deleteIdleAssets(
  tx: Transaction<DB>,
  assetDays: number,
  now: Date,
  limit: number,
): Promise<{ id: string; sizeBytes: number }[]> {
  const { rows } = await sql<{ id: string; sizeBytes: number }>`
    with gone as materialized (
      select id from assets where ${idle(assetDays, now)} order by used_at limit ${limit} for update skip locked
    )
    delete from assets using gone where assets.id = gone.id
    returning assets.id, size_bytes as "sizeBytes"`.execute(tx);
  return rows;
}
