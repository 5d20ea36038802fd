import type { Db } from '../database/open.ts';
import type { JsonObject } from '../core/json.ts';
import type { Write } from '../jobs/write.ts';

export type UpkeepKind = 'retention' | 'sweep';

export interface LastRound {
  startedAt: Date;
  report: JsonObject;
}

export async function findLastRound(db: Db, kind: UpkeepKind): Promise<LastRound | undefined> {
  return db
    .selectFrom('upkeep')
    .select(['started_at as startedAt', 'report'])
    .where('kind', '=', kind)
    .executeTakeFirst();
}

/** Notes a round that has ended, of whichever process. */
export async function noteRound(
  { tx }: Write,
  kind: UpkeepKind,
  startedAt: Date,
  report: object,
): Promise<void> {
  const row = { started_at: startedAt, report: JSON.stringify(report) };
  await tx
    .insertInto('upkeep')
    .values({ kind, ...row })
    .onConflict((conflict) => conflict.column('kind').doUpdateSet(row))
    .execute();
}
