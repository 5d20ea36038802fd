import type { Kysely, Transaction } from 'kysely';
import { newId } from '../core/ids.ts';
import type { Micros } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import type { Price } from './price-book.ts';

/** All prices ever set, the latest first. */
export async function listPrices(db: Kysely<DB>): Promise<Price[]> {
  return db.selectFrom('prices').selectAll().orderBy('valid_from', 'desc').orderBy('id', 'desc').execute();
}

export interface NewPrice {
  connection: string;
  model: string;
  perSecondMicros: Micros;
  /** By `WxH`. */
  bySize: Readonly<Record<string, Micros>>;
  validFrom: Date;
  createdBy: string;
}

/** Undefined when there is one from that very moment: prices are not changed, they are followed by others. */
export async function insertPrice(
  tx: Kysely<DB> | Transaction<DB>,
  price: NewPrice,
  now: Date,
): Promise<Price | undefined> {
  return tx
    .insertInto('prices')
    .values({
      id: newId('price'),
      connection: price.connection,
      model: price.model,
      per_second_micros: price.perSecondMicros,
      by_size: JSON.stringify(price.bySize),
      valid_from: price.validFrom,
      created_by: price.createdBy,
      created_at: now,
    })
    .onConflict((conflict) => conflict.columns(['connection', 'model', 'valid_from']).doNothing())
    .returningAll()
    .executeTakeFirst();
}
