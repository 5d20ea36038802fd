import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { createTestDatabase } from '../src/database/testing.ts';
import { createMedia, type Media } from '../src/media/media.ts';

const ROOT = join(import.meta.dirname, '..');
const KEY = 'key-of-the-examples';

interface Running {
  app: App;
  url: string;
  folder: string;
  media: Media;
  stop(): Promise<void>;
}

let running: Running;

/** The whole app, listening and working by itself, as `npm start` has it. */
async function startApp(): Promise<Running> {
  const database = await createTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'sora-examples-'));
  const media = createMedia({ path: process.env['PATH'] ?? '' });
  const config = loadConfig({
    API_KEY: KEY,
    DATA_DIR: folder,
    SIMULATOR_SPEED: '0',
    PORT: '0',
    PATH: process.env['PATH'],
  });
  const app = await createApp({ config, databaseUrl: database.url, logger: pino({ level: 'silent' }) });
  const stop = async () => {
    await app.stop();
    media.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  };
  return { app, url: await app.start(), folder, media, stop };
}

beforeAll(async () => {
  running = await startApp();
});

afterAll(() => running.stop());

/** Runs an example as a person would, and resolves with what it printed. */
async function runExample(command: string, args: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], SORA_URL: running.url, SORA_API_KEY: KEY, PYTHONUTF8: '1' };
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(await exit, stderr).toBe(0);
  return stdout;
}

const PLAYABLE = { container: 'mp4', codec: 'avc' };

const EXAMPLES = [
  { name: 'curl.sh', tool: 'sh', needs: 'curl' },
  { name: 'node-fetch.ts', tool: process.execPath },
  { name: 'openai-sdk.ts', tool: process.execPath },
  { name: 'python-requests.py', tool: 'python3', needs: 'python3' },
];

describe.concurrent('every example leads to a playable file', { timeout: 120_000 }, () => {
  for (const { name, tool, needs } of EXAMPLES) {
    const missing = needs !== undefined && spawnSync(needs, ['--version']).status !== 0;
    test.skipIf(missing)(missing ? `${name} (skipped: ${needs} is not installed)` : name, async () => {
      const file = join(running.folder, `${name}.mp4`);
      // The prompt has what careless quoting would trip over.
      const output = await runExample(tool, [join('examples', name), `"Fish & chips", it's 5 o'clock`, file]);
      expect(output).toContain(`saved ${file}`);
      expect(await running.media.inspectVideo(file)).toMatchObject(PLAYABLE);
    });
  }

  test('several-prompts.ts: two files, and a failure that harms neither', async () => {
    const folder = join(running.folder, 'several');
    const output = await runExample(process.execPath, ['examples/several-prompts.ts', folder]);
    expect(output).toContain('failed: Error: The simulator failed on purpose.');
    const files = await readdir(folder);
    expect(files).toHaveLength(2);
    for (const file of files) {
      expect(await running.media.inspectVideo(join(folder, file))).toMatchObject(PLAYABLE);
    }
  });

  test('batch.ts: a table becomes files; what fails is told and harms no other', async () => {
    const folder = join(running.folder, 'batch');
    const output = await runExample(process.execPath, ['examples/batch.ts', 'examples/batch.csv', folder]);
    expect(output).toContain('3 videos for 0 USD');
    expect(output).toContain('partial, 100 %');
    expect(output).toContain('Storm: failed, The simulator failed on purpose.');
    const files = await readdir(folder);
    expect(files).toHaveLength(2);
    for (const file of files) {
      expect(await running.media.inspectVideo(join(folder, file))).toMatchObject(PLAYABLE);
    }
  });
});

test('every example is tested and listed in the quickstart', async () => {
  const tested = [...EXAMPLES.map(({ name }) => name), 'several-prompts.ts', 'batch.ts', 'batch.csv'];
  expect((await readdir(join(ROOT, 'examples'))).toSorted()).toEqual(tested.toSorted());
});
