import { Gauge, type Registry } from 'prom-client';

/** What a proof of the books found. */
export interface LedgerFigures {
  checkedAt: Date;
  tookMs: number;
  entries: number;
  imbalanceMicros: number;
  problems: readonly { rule: string; count: number }[];
}

/** What breaks a rule of the books, all rules together. */
export function countProblems({ problems }: LedgerFigures): number {
  return problems.reduce((sum, { count }) => sum + count, 0);
}

/** Figures of the last check, whichever process made it. Before the first one they have no value. */
export function observeLedger(registry: Registry, find: () => Promise<LedgerFigures | undefined>): void {
  const add = (name: string, help: string, valueOf: (found: LedgerFigures) => number) => {
    const gauge: Gauge = new Gauge({
      name: `sora_ledger_${name}`,
      help,
      registers: [registry],
      async collect() {
        const found = await find();
        if (found) gauge.set(valueOf(found));
        else gauge.remove();
      },
    });
  };
  add(
    'imbalance_micros',
    'Micro-dollars by which accounts differ from their entries.',
    ({ imbalanceMicros }) => imbalanceMicros,
  );
  add('problems', 'What breaks a rule of the books.', countProblems);
  add(
    'checked_timestamp_seconds',
    'When the books were last proved.',
    ({ checkedAt }) => checkedAt.getTime() / 1000,
  );
  add('check_duration_seconds', 'How long that took.', ({ tookMs }) => tookMs / 1000);
}
