import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SMALL } from './create-test-app.ts';
import { type Product, startProduct } from './start-process.ts';
import { startSimulator } from './start-simulator.ts';

const JOBS = 6;
const KILLS = 3;

async function temporaryDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sora-test-'));
  await chmod(dataDir, 0o755);
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}

/** Kills the process -9 again and again while it works, starts it again each time, and waits for the end of all jobs. */
async function killAndRestart(dataDir: string, env: Record<string, string>): Promise<Product> {
  let product = await startProduct({ dataDir, env });
  onTestFinished(() => product.kill('SIGTERM'));
  const ids: string[] = [];
  for (let index = 0; index < JOBS; index += 1) {
    ids.push((await product.create({ ...SMALL, prompt: `job ${index}` })).jobId);
  }
  for (let kill = 0; kill < KILLS; kill += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 700));
    await product.kill('SIGKILL');
    product = await startProduct({ dataDir, env });
  }
  await expect
    .poll(async () => (await product.list()).map((job) => job.status), { timeout: 60_000, interval: 200 })
    .toEqual(ids.map(() => 'completed'));
  return product;
}

test('killed -9 in the middle, again and again, every job still ends in its video', async () => {
  const product = await killAndRestart(await temporaryDataDir(), { SIMULATOR_SPEED: '10' });
  for (const { jobId } of await product.list()) {
    const events = await fetch(`${product.url}/api/v1/videos/${jobId}/events`, {
      headers: { 'x-api-key': 'admin-key-for-tests' },
    });
    const { data } = (await events.json()) as { data: { type: string }[] };
    expect(data.filter(({ type }) => type === 'job.completed')).toHaveLength(1);
  }
}, 120_000);

test('killed -9 in the middle with an upstream of its own: it was asked for each video exactly once', async () => {
  const simulator = await startSimulator(['--speed', '10']);
  await killAndRestart(await temporaryDataDir(), {
    OPENAI_BASE_URL: simulator.url,
    DEFAULT_MODEL: 'openai/simulator',
  });
  expect(await simulator.ledger()).toMatchObject({ created: JOBS, duplicates: 0 });
}, 120_000);

test('SIGTERM ends it within ten seconds, whatever is running, and leaves no PostgreSQL behind', async () => {
  const dataDir = await temporaryDataDir();
  const product = await startProduct({ dataDir, env: { SIMULATOR_SPEED: '10', MAX_RUNNING: '20' } });
  for (let index = 0; index < 10; index += 1) {
    await product.create({ prompt: `job ${index}`, resolution: '1080p', duration: 10 });
  }
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const startedAt = Date.now();
  await product.kill('SIGTERM');
  expect(Date.now() - startedAt).toBeLessThan(10_000);
  expect(product.child.exitCode).toBe(0);
  const again = await startProduct({ dataDir });
  onTestFinished(() => again.kill('SIGTERM'));
  expect(await again.list()).toHaveLength(10);
}, 60_000);

test('a second start on the same DATA_DIR refuses, names the first, and harms nothing', async () => {
  const dataDir = await temporaryDataDir();
  const first = await startProduct({ dataDir });
  onTestFinished(() => first.kill('SIGTERM'));
  await expect(startProduct({ dataDir })).rejects.toThrow(String(first.child.pid));
  expect((await first.create(SMALL)).status).toBe('pending');
}, 60_000);

test('all wrong settings are named in one message, and nothing is started', async () => {
  const dataDir = await temporaryDataDir();
  const env = { PORT: 'http', SIMULATOR_SPEED: '-1', DATABASE_URL: 'mysql://x', ROLE: 'boss' };
  const failure = startProduct({ dataDir, env });
  await expect(failure).rejects.toThrow(/4 problems[^]*PORT[^]*DATABASE_URL[^]*ROLE[^]*SIMULATOR_SPEED/);
});

const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)(
  `it runs as an ordinary user too${isRoot ? '' : ' (skipped: the tests run as one already)'}`,
  async () => {
    const dataDir = await temporaryDataDir();
    const { chown } = await import('node:fs/promises');
    await chown(dataDir, 65_534, 65_534);
    const product = await startProduct({ dataDir, env: { SIMULATOR_SPEED: '0' }, uid: 65_534, gid: 65_534 });
    onTestFinished(() => product.kill('SIGTERM'));
    await product.create(SMALL);
    await expect.poll(async () => (await product.list())[0]?.status, { timeout: 20_000 }).toBe('completed');
  },
  60_000,
);
