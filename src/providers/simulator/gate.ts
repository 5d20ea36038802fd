import { LRUCache } from 'lru-cache';
import { chance, FAULTS, type FaultName, type FaultRates, faultTags } from './faults.ts';

/** What becomes of one send: taken as usual, or one of the faults of the submit stage. */
export type Verdict =
  'accept' | Extract<FaultName, 'refused' | '429' | '500' | '500-accepted' | 'lost-answer'>;

/** Whether work is accepted under this verdict, whatever the caller gets to see. */
export function accepts(verdict: Verdict): boolean {
  return verdict === 'accept' || verdict === '500-accepted' || verdict === 'lost-answer';
}

/** How often a tagged prompt is turned away before it is let in. */
const TURNED_AWAY: Partial<Record<Verdict, number>> = { '429': 2, '500': 1 };

/**
 * Decides what happens to each send. It remembers a bounded number of prompts and keys, so that a fault which is over
 * after a few tries does end; forgetting (a restart) only means that it strikes once more. A tagged prompt that was
 * let in starts afresh, so that the next job with the same prompt meets the same faults.
 */
export function createGate(options: {
  seed: number;
  rates: FaultRates;
}): (prompt: string, key: string) => Verdict {
  const tries = new LRUCache<string, number>({ max: 10_000 });
  const taken = new LRUCache<string, true>({ max: 10_000 });

  function count(name: string): number {
    const before = tries.get(name) ?? 0;
    tries.set(name, before + 1);
    return before;
  }

  function byTag(prompt: string, key: string): Verdict {
    for (const name of submitFaults(faultTags(prompt))) {
      if (name === 'refused') return name;
      // The answer of a key that was taken before is not lost again.
      if (accepts(name) && !taken.has(key)) return name;
      const limit = TURNED_AWAY[name] ?? 0;
      if (limit > 0 && (tries.get(`${name} ${prompt}`) ?? 0) < limit) {
        count(`${name} ${prompt}`);
        return name;
      }
    }
    return 'accept';
  }

  function byChance(key: string): Verdict {
    const nth = count(`key ${key}`);
    for (const name of submitFaults(Object.keys(options.rates) as FaultName[])) {
      const once = name === 'refused' || accepts(name);
      if (accepts(name) && taken.has(key)) continue;
      if (chance(options.seed, name, key, once ? 0 : nth) < (options.rates[name] ?? 0)) return name;
    }
    return 'accept';
  }

  return (prompt, key) => {
    const tagged = byTag(prompt, key);
    const verdict = tagged === 'accept' ? byChance(key) : tagged;
    if (accepts(verdict)) {
      taken.set(key, true);
      for (const name of Object.keys(TURNED_AWAY)) tries.delete(`${name} ${prompt}`);
    }
    return verdict;
  };
}

function submitFaults(names: FaultName[]): Exclude<Verdict, 'accept'>[] {
  return names.filter((name): name is Exclude<Verdict, 'accept'> => FAULTS[name].stage === 'submit');
}
