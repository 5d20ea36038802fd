import { type Clock, sleep } from './clock.ts';

/** Work that is done again and again: soon after a wake, and at the latest after an interval. */
export interface Loop {
  /** There may be something to do: runs soon, once however often it is called. */
  wake(): void;
  /** No new round; resolves when the round under way has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  clock: Clock;
  intervalMs: number;
  /** One round. The signal aborts when the loop stops. Resolving with `true` means: there is more, go on at once. */
  round: (signal: AbortSignal) => Promise<boolean>;
  /** A round that threw; the next one waits the interval. */
  onError: (error: unknown) => void;
}

/** Starts at once. Rounds never overlap. */
export function startLoop({ clock, intervalMs, round, onError }: LoopOptions): Loop {
  const stopping = new AbortController();
  let woken = new AbortController();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = new AbortController();
      const more = await round(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) onError(error);
        return false;
      });
      if (!more && !stopping.signal.aborted) await sleep(clock, intervalMs, woken.signal);
    }
  }

  const running = run();
  return {
    wake: () => woken.abort(),
    stop() {
      stopping.abort();
      woken.abort();
      return running;
    },
  };
}
