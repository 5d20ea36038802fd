import { type Clock, sleep } from '../core/clock.ts';

/** The log at one moment. */
export interface Look {
  /** The highest id that can be seen. */
  top: number;
  /** Names of the transactions that have written to it and are open. Looked up after `top`. */
  writers: readonly string[];
}

/** What is known of how far the log is complete. Ids are drawn before the commit, so an event may appear below a later one. */
export interface Knowledge {
  /** No event with this id or a lower one will appear any more. */
  settled: number;
  /** It is settled up to `top` as soon as these have ended. */
  waiting: Look | undefined;
}

/** What one more look teaches. Transactions that write no event hold nothing back, however long they stay open. */
export function learn({ settled, waiting }: Knowledge, look: Look): Knowledge {
  if (look.writers.length === 0) return { settled: Math.max(settled, look.top), waiting: undefined };
  if (waiting?.writers.some((writer) => look.writers.includes(writer))) return { settled, waiting };
  return { settled: Math.max(settled, waiting?.top ?? 0), waiting: look };
}

/** How long a reader waits for transactions that are about to end, in looks and in ms between them. */
const LOOKS = 4;
const BETWEEN_MS = 5;

/** Up to which id the log can be followed without a gap. */
export interface Settled {
  /** As far as is known, at no cost. */
  known(): number;
  /** Looks again, for a few ms where transactions are about to end. Those who ask at once share the looks. */
  find(): Promise<number>;
}

/** `clock` is wall time: it is about transactions of the database. */
export function createSettled(look: () => Promise<Look>, clock: Clock): Settled {
  let knowledge: Knowledge = { settled: 0, waiting: undefined };
  let following: Promise<number> | undefined;
  let latest = Promise.resolve(0);

  async function advance(): Promise<number> {
    following = undefined;
    const first = await look();
    knowledge = learn(knowledge, first);
    for (let looks = 1; looks < LOOKS && knowledge.settled < first.top; looks += 1) {
      await sleep(clock, BETWEEN_MS);
      knowledge = learn(knowledge, await look());
    }
    return knowledge.settled;
  }

  return {
    known: () => knowledge.settled,
    // What was committed after the looks under way began may not be in them: who comes then shares the next ones.
    find() {
      following ??= latest = latest.catch(() => {}).then(advance);
      return following;
    },
  };
}
