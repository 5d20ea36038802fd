import type { Kysely, Selectable } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { PricesTable } from '../database/schema-money.ts';
import type { DB } from '../database/schema.ts';
import type { CatalogEntry } from '../providers/catalog.ts';
import type { ModelSpec } from '../providers/model.ts';
import { listPrices } from './prices.repository.ts';

/** Where a job's price comes from; stored with the job. */
export interface Rate {
  /** `operator`: set here; `connection`: from the configuration or the provider itself. */
  source: 'operator' | 'connection';
  perSecondMicros: Micros;
  bySize: Readonly<Record<string, Micros>>;
  /** Since when it holds, ISO 8601; for prices that were set here. */
  validFrom?: string;
}

export type Price = Selectable<PricesTable>;

/** What every model costs at a moment: prices that operators have set come before what the connection says. */
export interface PriceBook {
  /** The model with the price that holds then, and that price; undefined when nobody has said what it costs. */
  at(entry: CatalogEntry, time: Date): { model: ModelSpec; rate: Rate | undefined };
  /** Reads the prices anew. The former ones stay in force when that fails. */
  reload(): Promise<void>;
}

export function createPriceBook(db: Kysely<DB>): PriceBook {
  /** By connection and model, the latest first. */
  let pages = new Map<string, Price[]>();
  let asked = 0;
  let shown = 0;

  return {
    at({ connection, model }, time) {
      const set = pages.get(pageOf(connection.name, model.id))?.find((price) => price.valid_from <= time);
      const rate = set ? rateOf(set) : ownRate(model);
      if (!set || !rate) return { model, rate };
      const { perSecondMicros, bySize } = rate;
      return {
        model: { ...model, pricePerSecondMicros: perSecondMicros, pricePerSecondBySize: bySize },
        rate,
      };
    },
    async reload() {
      const turn = (asked += 1);
      const next = new Map<string, Price[]>();
      for (const price of await listPrices(db)) {
        const key = pageOf(price.connection, price.model);
        next.set(key, [...(next.get(key) ?? []), price]);
      }
      // Of two that overlap, the one that was asked for first knows less, also when it is answered last.
      if (turn < shown) return;
      shown = turn;
      pages = next;
    },
  };
}

function pageOf(connection: string, model: string): string {
  return `${connection}/${model}`;
}

function rateOf(price: Price): Rate {
  return {
    source: 'operator',
    perSecondMicros: price.per_second_micros,
    bySize: price.by_size,
    validFrom: price.valid_from.toISOString(),
  };
}

function ownRate({ pricePerSecondMicros, pricePerSecondBySize = {} }: ModelSpec): Rate | undefined {
  if (pricePerSecondMicros === undefined) return undefined;
  return { source: 'connection', perSecondMicros: pricePerSecondMicros, bySize: pricePerSecondBySize };
}
