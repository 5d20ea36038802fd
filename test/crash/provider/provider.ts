import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ProviderState, Rules } from './rules.ts';

/** The judge of a scenario: a provider in a process of its own that is never killed. */
export interface Provider {
  url: string;
  /** `files`: with the hashes of all files, which takes a while. */
  state(options?: { files?: boolean }): Promise<ProviderState>;
  /** Changes the rules of all accounts, from now on. */
  change(rules: Partial<Rules>): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it with these accounts. */
export async function startProvider(accounts: Readonly<Record<string, Partial<Rules>>>): Promise<Provider> {
  const script = join(import.meta.dirname, 'provider-main.ts');
  const child = fork(script, [JSON.stringify(accounts)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [url] = (await once(child, 'message')) as [string];
  return {
    url,
    async state({ files = false } = {}) {
      return (await (await fetch(`${url}/state${files ? '?files' : ''}`)).json()) as ProviderState;
    },
    async change(rules) {
      await fetch(`${url}/rules`, { method: 'POST', body: JSON.stringify(rules) });
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
