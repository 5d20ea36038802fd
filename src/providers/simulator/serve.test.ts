import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';

const ENTRY = new URL('serve.ts', import.meta.url).pathname;

describe('the simulator as a process', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  function start(...args: string[]) {
    const child = spawn(process.execPath, [ENTRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    return child;
  }

  async function listening(child: ReturnType<typeof start>): Promise<string> {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return /http:\/\/[\d.:]+/.exec(line.toString())?.[0] ?? '';
  }

  it('says where it listens, answers, explains a port in use, and stops at once', async () => {
    const child = start('--port', '0', '--api-key', 'k');
    const url = await listening(child);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await fetch(`${url}/v1/videos`)).status).toBe(401);

    const second = start('--port', new URL(url).port);
    const [complaint] = (await once(second.stderr, 'data')) as [Buffer];
    expect(complaint.toString()).toContain('is in use: choose another with --port');

    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('explains a flag it does not know', async () => {
    const child = start('--prot', '1');
    const [complaint] = (await once(child.stderr, 'data')) as [Buffer];
    expect(complaint.toString()).toContain("Unknown option '--prot'");
    expect(await once(child, 'exit')).toEqual([1, null]);
  });
});
