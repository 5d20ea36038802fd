import { errorText } from './errors.ts';

interface Part {
  name: string;
  stop: () => Promise<unknown> | unknown;
}

/** Collects each part's stop beside its start, and runs them in reverse order, once. */
export interface Lifecycle {
  onStop(name: string, stop: Part['stop']): void;
  /** Never rejects: a part that fails to stop is reported and the others still stop. */
  stop(report?: (name: string, message: string) => void): Promise<void>;
}

export function createLifecycle(): Lifecycle {
  const parts: Part[] = [];
  let stopping: Promise<void> | undefined;
  async function stopAll(report: (name: string, message: string) => void): Promise<void> {
    for (let part = parts.pop(); part; part = parts.pop()) {
      try {
        await part.stop();
      } catch (error) {
        report(part.name, errorText(error));
      }
    }
  }
  return {
    onStop: (name, stop) => void parts.push({ name, stop }),
    stop: (report = () => {}) => (stopping ??= stopAll(report)),
  };
}
