import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { JobView } from '../src/jobs/job-view.ts';
import { ADMIN_KEY } from './test-env.ts';

const ROOT = join(import.meta.dirname, '..');

/** The product as `npm start` runs it: one process of its own, with its own embedded PostgreSQL. */
export interface Product {
  url: string;
  child: ChildProcess;
  post(path: string, body: object): Promise<Response>;
  create(body: object): Promise<JobView>;
  list(): Promise<JobView[]>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface ProductOptions {
  dataDir: string;
  env?: Record<string, string>;
  uid?: number;
  gid?: number;
}

/** Resolves when it serves; rejects with what it said when it ends before that. */
export async function startProduct({ dataDir, env = {}, ...user }: ProductOptions): Promise<Product> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATA_DIR: dataDir,
      PORT: '0',
      API_KEY: ADMIN_KEY,
      LOG_LEVEL: process.env['TEST_LOG'] ?? 'warn',
      CREATE_LIMIT_MAX: '100000',
      RATE_LIMIT_MAX: '100000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  const url = await addressFrom(child);
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
  const data = async (response: Response) => ((await response.json()) as { data: never }).data;
  const post = (path: string, body: object) =>
    fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return {
    url,
    child,
    post,
    create: async (body) => data(await post('/api/v1/videos', body)),
    list: async () => data(await fetch(`${url}/api/v1/videos?limit=100`, { headers })),
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
    },
  };
}

async function addressFrom(child: ChildProcess): Promise<string> {
  const said: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => void said.push(chunk.toString()));
  if (!child.stdout) throw new Error('no standard output');
  for await (const line of createInterface(child.stdout)) {
    said.push(line);
    const url = /OpenAI base +(http:\S+)\/v1/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stdout.resume();
    return url;
  }
  throw new Error(`it ended before it served:\n${said.join('\n')}`);
}
