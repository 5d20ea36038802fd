import { join } from 'node:path';
import type { Product } from './product.ts';

export type Mode = 'one' | 'several';

/** A place for one process, which is started again and again. */
export interface Slot {
  name: string;
  role: 'all' | 'api' | 'worker';
  product: Product | undefined;
  url: string | undefined;
  claimsFile: string;
  /** How far its wall clock is ahead, in ms. */
  clockMs: number;
}

export interface SlotOptions {
  mode: Mode;
  /** Everything of the run lies here. */
  dir: string;
  apis?: number;
  workers?: number;
  /** How far the clocks of processes are ahead, by the name of the slot, in ms. */
  clocks?: Readonly<Record<string, number>> | undefined;
}

/** The places of a fleet: one for everything, or several with a role each. */
export function slotsOf({ mode, dir, apis = 2, workers = 3, clocks = {} }: SlotOptions): Slot[] {
  const slot = (name: string, role: Slot['role']): Slot => ({
    name,
    role,
    product: undefined,
    url: undefined,
    claimsFile: join(dir, 'logs', `${name}.claims`),
    clockMs: clocks[name] ?? 0,
  });
  if (mode === 'one') return [slot('all', 'all')];
  return [
    ...Array.from({ length: apis }, (_, index) => slot(`api-${index + 1}`, 'api')),
    ...Array.from({ length: workers }, (_, index) => slot(`worker-${index + 1}`, 'worker')),
  ];
}
