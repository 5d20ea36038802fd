import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from './ports.ts';

export interface UpstreamOptions {
  /** As the simulator's `--speed`: below 1 is slower, and spreads the ends further. */
  speed: number;
  /** Whether the server has a complete list. */
  lists: boolean;
  /** How long a page of the list takes, in ms. */
  pageMs: number;
  cacheDir: string;
  port: number;
}

export type UpstreamRequest = 'release' | 'count' | 'ends' | { make: number };

export interface Calls {
  list: number;
  single: number;
}

export interface UpstreamMessage {
  address?: string;
  /** Status calls answered so far. */
  calls: Calls;
  /** When each video ends, by the upstream's id, in ms since the epoch. */
  ends?: [string, number][];
  /** The ids of the videos that were asked for. */
  made?: string[];
}

export interface Upstream {
  pid: number;
  address: string;
  /** Begins so many videos, all of one prompt; returns their ids. */
  make(count: number): Promise<string[]>;
  /** Lets its time go on. */
  release(): Promise<void>;
  calls(): Promise<Calls>;
  ends(): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

export async function startUpstream(options: Omit<UpstreamOptions, 'port'>): Promise<Upstream> {
  const started: UpstreamOptions = { ...options, port: await freePort() };
  const child = fork(join(import.meta.dirname, 'polling-upstream.ts'), [JSON.stringify(started)]);
  const heard = async () => {
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the upstream ended'))),
    ]);
    return message as UpstreamMessage;
  };
  const ask = (request: UpstreamRequest) => {
    const answer = heard();
    child.send(request);
    return answer;
  };
  const { address = '' } = await heard();
  return {
    pid: child.pid ?? 0,
    address,
    make: async (count) => (await ask({ make: count })).made ?? [],
    release: async () => void (await ask('release')),
    calls: async () => (await ask('count')).calls,
    ends: async () => new Map((await ask('ends')).ends),
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
