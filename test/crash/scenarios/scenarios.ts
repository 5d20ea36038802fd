import { deploys } from './deploys.ts';
import { doubleDeletes } from './double-deletes.ts';
import { midnight } from './midnight.ts';
import { mixedFiles } from './mixed-files.ts';
import { nearMisses } from './near-misses.ts';
import { rivals } from './rivals.ts';
import type { Scenario } from './scenario.ts';
import { skewedClocks } from './skewed-clocks.ts';
import { slowLists } from './slow-lists.ts';
import { sweepsOf404 } from './sweeps-of-404.ts';

/** Every scenario there is, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  nearMisses,
  rivals,
  doubleDeletes,
  skewedClocks,
  deploys,
  sweepsOf404,
  slowLists,
  mixedFiles,
  midnight,
];
