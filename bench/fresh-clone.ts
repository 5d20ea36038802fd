import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ROOT } from './machine.ts';
import { freePort } from './ports.ts';
import { type BenchmarkOptions, type Report, seconds } from './report.ts';
import { untilListening } from './server-process.ts';

const GOAL_MS = 120_000;
const INSTALL_LIMIT_MS = 300_000;
const VIDEO_LIMIT_MS = 120_000;

/** What somebody who has just heard of it goes through: clone, `npm start`, a first video. Only what is committed counts. */
export default async function freshClone({ folder }: BenchmarkOptions): Promise<Report> {
  const clone = join(folder, 'clone');
  const startedAt = performance.now();
  await promisify(execFile)('git', ['clone', '--quiet', '--no-hardlinks', ROOT, clone]);
  const port = await freePort();
  const log = await open(join(folder, 'server.log'), 'w');
  const npm = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...plainEnvironment(), PORT: String(port) },
    stdio: ['ignore', log.fd, log.fd],
    // npm and all it starts are one group, so that they can be stopped together.
    detached: true,
  });
  const exited = once(npm, 'exit');
  try {
    await untilListening(port, npm, INSTALL_LIMIT_MS);
    const listeningAt = performance.now();
    const key = (await readFile(join(clone, 'data', 'api-key'), 'utf8')).trim();
    const bytes = await makeVideo(`http://127.0.0.1:${port}`, key);
    const finishedAt = performance.now();
    const parts = `${seconds(listeningAt - startedAt)} to listening, ${seconds(finishedAt - listeningAt)} video`;
    return {
      rows: [
        {
          what: 'clone, npm start, first video downloaded',
          measured: seconds(finishedAt - startedAt),
          reference: `${parts} (${Math.round(bytes / 1024)} KB)`,
          goal: `≤ ${seconds(GOAL_MS)}`,
          isMet: finishedAt - startedAt <= GOAL_MS,
        },
      ],
    };
  } catch (error) {
    const said = (await readFile(join(folder, 'server.log'), 'utf8')).slice(-1500);
    throw new Error(`${error instanceof Error ? error.message : String(error)}; it said:\n${said}`, {
      cause: error,
    });
  } finally {
    if (npm.pid !== undefined && npm.exitCode === null) process.kill(-npm.pid, 'SIGTERM');
    await exited;
    await untilGone(port);
    await log.close();
  }
}

/** Without what an outer npm and the caller's settings would add. */
function plainEnvironment(): Record<string, string | undefined> {
  const { PATH, HOME, USER, LANG } = process.env;
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$|_CERTS?$/i.test(name));
  return {
    PATH: PATH?.split(':')
      .filter((entry) => !entry.includes('node_modules'))
      .join(':'),
    HOME,
    USER,
    LANG,
    ...Object.fromEntries(proxies),
  };
}

async function makeVideo(address: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ prompt: 'A paper boat on a mountain lake' });
  const created = await fetch(`${address}/api/v1/videos`, { method: 'POST', headers, body });
  const { data } = (await created.json()) as { data: { jobId: string } };
  const url = `${address}/api/v1/videos/${data.jobId}`;
  const deadline = performance.now() + VIDEO_LIMIT_MS;
  for (;;) {
    const job = (await (await fetch(url, { headers })).json()) as { data: { status: string } };
    if (job.data.status === 'completed') break;
    if (job.data.status === 'failed' || performance.now() > deadline) throw new Error(JSON.stringify(job));
    await sleep(250);
  }
  const content = await fetch(`${url}/content`, { headers });
  return (await content.arrayBuffer()).byteLength;
}

/** npm may be gone before what it started: its folder is not to be removed under a running database. */
async function untilGone(port: number): Promise<void> {
  for (let looks = 0; looks < 100; looks += 1) {
    const isThere = await fetch(`http://127.0.0.1:${port}/health`).then(
      () => true,
      () => false,
    );
    if (!isThere) break;
    await sleep(100);
  }
  await sleep(2000);
}
