import type { Micros } from '../core/money.ts';

/** One line of a provider's bill. */
export interface BillLine {
  /** In the file. */
  line: number;
  /** `2026-11-21`, in the time zone of the bill. */
  day: string;
  /** The provider's own name; empty: the bill does not say. */
  model: string;
  seconds: number | null;
  amount: Micros;
  /** The provider's id of the work, if the bill has one. */
  operation: string | null;
}

/** What the ledger says of one day and model. */
export interface LedgerDay {
  day: string;
  model: string;
  seconds: number;
  amount: Micros;
}

export interface DriftRow {
  day: string;
  model: string;
  /** Who knows of it. */
  side: 'both' | 'provider' | 'ledger';
  providerMicros: Micros;
  ledgerMicros: Micros;
  providerSeconds: number | null;
  ledgerSeconds: number;
}

/** Both sides by day and model. A bill that names no models is compared by day alone. */
export function compareDays(lines: readonly BillLine[], ledger: readonly LedgerDay[]): DriftRow[] {
  const hasModels = lines.some(({ model }) => model !== '');
  const rows = new Map<string, DriftRow>();
  const rowOf = (day: string, name: string, side: 'provider' | 'ledger') => {
    const model = hasModels ? name : '';
    const key = JSON.stringify([day, model]);
    const fresh = { providerMicros: 0, ledgerMicros: 0, providerSeconds: null, ledgerSeconds: 0 };
    const row: DriftRow = rows.get(key) ?? { day, model, side, ...fresh };
    if (row.side !== side) row.side = 'both';
    rows.set(key, row);
    return row;
  };
  for (const { day, model, amount, seconds } of lines) {
    const row = rowOf(day, model, 'provider');
    row.providerMicros += amount;
    if (seconds !== null) row.providerSeconds = (row.providerSeconds ?? 0) + seconds;
  }
  for (const { day, model, amount, seconds } of ledger) {
    const row = rowOf(day, model, 'ledger');
    row.ledgerMicros += amount;
    row.ledgerSeconds += seconds;
  }
  return [...rows.values()].toSorted((a, b) => order(a.day, b.day) || order(a.model, b.model));
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Of how much more the provider says than the ledger, in percent to two places; null where the ledger says nothing. */
export function percentOf({ providerMicros, ledgerMicros }: DriftRow): number | null {
  if (ledgerMicros === 0) return null;
  return Math.round(((providerMicros - ledgerMicros) / Math.abs(ledgerMicros)) * 10_000) / 100;
}

/** What the bill asks for each operation that it names: the lines of one operation count together. */
export function billedOperations(lines: readonly BillLine[]): Map<string, { amount: Micros; line: number }> {
  const billed = new Map<string, { amount: Micros; line: number }>();
  for (const { operation, amount, line } of lines) {
    if (operation === null) continue;
    const former = billed.get(operation);
    billed.set(operation, { amount: (former?.amount ?? 0) + amount, line: former?.line ?? line });
  }
  return billed;
}
