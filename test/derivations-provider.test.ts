import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { JobView } from '../src/jobs/job-view.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { type RunningSimulator, startSimulator } from './start-simulator.ts';

vi.setConfig({ testTimeout: 90_000 });

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const CLIP = { prompt: 'a boat', model: 'clips', duration: 1, resolution: '64x64' };

/** The app before a simulator server, with two models of it. */
async function start(
  dialect: 'default' | 'openai',
  dialectHere = dialect === 'openai' ? dialect : 'generic',
) {
  const simulator = await startSimulator(['--speed', '0', '--dialect', dialect]);
  const folder = await mkdtemp(join(tmpdir(), 'sora-derive-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'providers.json');
  const seconds = [1, 2, 3, 4];
  const model = { upstreamModel: 'simulator', seconds, sizes: ['64x64', '128x64'], pricePerSecondUsd: 1 };
  const models = [
    { id: 'clips', ...model },
    { id: 'others', ...model, upstreamModel: 'sora-2' },
    { id: 'blind', ...model, upstreamModel: 'sora-2-pro', inputReference: false, operations: [] },
  ];
  const connection = { name: 'up', adapter: 'openai-videos', baseUrl: simulator.url, dialect: dialectHere };
  await writeFile(file, JSON.stringify({ connections: [{ ...connection, timeoutMs: 2000, models }] }));
  return { simulator, app: await createTestApp({ PROVIDERS_FILE: file }) };
}

async function derive({ admin }: TestApp, parent: JobView, kind: string, body: object): Promise<JobView> {
  const response = await admin.request('POST', `/api/v1/videos/${parent.jobId}/${kind}`, body);
  if (response.statusCode !== 201) throw new Error(response.body);
  return (response.json() as { data: JobView }).data;
}

const finishedParent = async (app: TestApp, body: object = CLIP) =>
  app.finish((await app.admin.create(body)).jobId);

/** Lets the provider take a job; `[sim:stuck]` in its prompt spares the file that nobody looks at. */
async function untilTaken(app: TestApp, jobId: string): Promise<void> {
  for (let rounds = 0; rounds < 100; rounds += 1) {
    await app.settle();
    if ((await app.admin.get(jobId)).stage === 'rendering') return;
    await app.clock.advance(5000);
  }
  throw new Error(`${jobId} is not taken`);
}

interface Creation {
  id: string;
  source: { kind: string; id: string } | null;
}

async function creationsOf(simulator: RunningSimulator): Promise<Creation[]> {
  return ((await simulator.ledger()) as unknown as { creations: Creation[] }).creations;
}

async function upstreamId({ db }: TestApp, { jobId }: JobView): Promise<string> {
  const row = await db
    .selectFrom('attempts')
    .select('operation')
    .where('job_id', '=', jobId)
    .executeTakeFirstOrThrow();
  return (row.operation as { id: string }).id;
}

test.each(['default', 'openai'] as const)(
  'a provider that can do it does it, and what is new is what it costs (%s)',
  async (dialect) => {
    const { simulator, app } = await start(dialect);
    const parent = await finishedParent(app);
    const id = await upstreamId(app, parent);
    const cases = [
      ['remix', { prompt: '[sim:stuck] at night' }, 1, 1],
      ['edit', { prompt: '[sim:stuck] a red one', via: 'provider' }, 1, 1],
      ['extend', { prompt: 'it lands', duration: 2 }, 3, 2],
    ] as const;
    const made: JobView[] = [];
    for (const [kind, body, duration, estimatedUsd] of cases) {
      const job = await derive(app, parent, kind, body);
      expect(job).toMatchObject({
        duration,
        resolution: '64x64',
        cost: { estimatedUsd },
        remixedFrom: parent.jobId,
        inputReference: null,
        derivation: { kind, by: 'provider', note: null },
      });
      made.push(job);
      await app.settle();
    }
    // The file of an extension holds both parts: its length is checked against the whole.
    const extension = await app.finish(made[2]?.jobId ?? '');
    expect(extension).toMatchObject({ status: 'completed', cost: { chargedUsd: 2 } });
    expect(extension.result?.duration).toBeCloseTo(3, 0);
    expect(await simulator.ledger()).toMatchObject({
      created: 4,
      duplicates: 0,
      derived: { remix: 1, edit: 1, extend: 1 },
    });
    expect((await creationsOf(simulator)).map(({ source }) => source)).toEqual([
      null,
      { kind: 'remix', id },
      { kind: 'edit', id },
      { kind: 'extend', id },
    ]);
  },
);

test.each(['default', 'openai'] as const)(
  'a lost answer to a remix is found again, also beside others with the same prompt (%s)',
  async (dialect) => {
    const { simulator, app } = await start(dialect);
    const parent = await finishedParent(app);
    const prompt = '[sim:lost-answer] [sim:stuck] all the same';
    const jobs = [
      [await app.admin.create({ ...CLIP, prompt }), undefined],
      [await derive(app, parent, 'remix', { prompt }), 'remix'],
      [await derive(app, parent, 'remix', { prompt }), 'remix'],
      [await derive(app, parent, 'extend', { prompt, duration: 1 }), 'extend'],
    ] as const;
    for (const [{ jobId }] of jobs) await untilTaken(app, jobId);
    const creations = await creationsOf(simulator);
    const taken = new Set<string>();
    for (const [job, kind] of jobs) {
      const id = await upstreamId(app, job);
      taken.add(id);
      expect(creations.find((creation) => creation.id === id)?.source?.kind).toBe(kind);
    }
    expect(taken.size).toBe(4);
    expect(await simulator.ledger()).toMatchObject({
      created: 5,
      duplicates: 0,
      derived: { remix: 2, edit: 0, extend: 1 },
    });
  },
);

test('a stand-in is made where it is asked for, and where the provider could not do it', async () => {
  const { simulator, app } = await start('default');
  const parent = await finishedParent(app, { ...CLIP, inputReference: PIXEL });
  for (const body of [
    { prompt: 'x', via: 'stand_in' },
    { prompt: 'x', duration: 2 },
    { prompt: 'x', resolution: '128x64' },
    { prompt: 'x', model: 'others' },
    { prompt: 'x', model: 'simulator' },
  ]) {
    const job = await derive(app, parent, 'remix', body);
    expect(job.derivation).toMatchObject({ by: 'stand_in' });
    expect(job.inputReference).toBe(parent.inputReference);
  }
  // Without a word that changes anything, the provider does it.
  const same = await derive(app, parent, 'remix', {
    prompt: 'x',
    duration: 1,
    resolution: '64x64',
    model: 'clips',
  });
  expect(same.derivation).toMatchObject({ by: 'provider' });
  // What came from elsewhere is nothing that the provider knows.
  await app.db.deleteFrom('attempts').where('job_id', '=', parent.jobId).execute();
  expect((await derive(app, parent, 'remix', { prompt: 'x' })).derivation).toMatchObject({ by: 'stand_in' });
  expect(await simulator.ledger()).toMatchObject({ created: 1 });
});

test('a model that takes no picture remixes without one, and extends nothing', async () => {
  const { app } = await start('default');
  const parent = await finishedParent(app);
  const remix = await derive(app, parent, 'remix', { prompt: 'x', model: 'blind' });
  expect(remix).toMatchObject({ inputReference: null, derivation: { by: 'stand_in' } });
  const response = await app.admin.request('POST', `/api/v1/videos/${parent.jobId}/extend`, {
    prompt: 'x',
    model: 'blind',
  });
  expect(response.statusCode).toBe(400);
  expect(response.json()).toMatchObject({
    error: {
      code: 'operation_unsupported',
      details: {
        operation: 'extend',
        model: 'blind',
        possible: [
          { operation: 'remix', via: 'stand_in' },
          { operation: 'edit', via: 'stand_in' },
        ],
      },
    },
  });
});

test('a retry asks the provider for the same operation on the same video', async () => {
  const { simulator, app } = await start('default');
  const parent = await finishedParent(app);
  const failed = await derive(app, parent, 'extend', { prompt: '[sim:fail] x', duration: 2 });
  expect((await app.finish(failed.jobId)).status).toBe('failed');
  const again = await derive(app, failed, 'retry', {});
  expect(again).toMatchObject({ duration: 3, retryOf: failed.jobId, cost: { estimatedUsd: 2 } });
  await app.finish(again.jobId);
  const creations = await creationsOf(simulator);
  const source = { kind: 'extend', id: await upstreamId(app, parent) };
  expect(creations.map((each) => each.source)).toEqual([null, source, source]);
});

test('a video that the provider has forgotten fails the remix, and costs nothing', async () => {
  const { simulator, app } = await start('default');
  const parent = await finishedParent(app);
  await fetch(`${simulator.url}/v1/videos/${await upstreamId(app, parent)}`, { method: 'DELETE' });
  const remix = await app.finish((await derive(app, parent, 'remix', { prompt: 'x' })).jobId);
  expect(remix).toMatchObject({ status: 'failed', error: { code: 'not_found', charged: false } });
  const standIn = await derive(app, parent, 'remix', { prompt: '[sim:stuck] x', via: 'stand_in' });
  await untilTaken(app, standIn.jobId);
});

test('models say what their provider does itself', async () => {
  const { app } = await start('default');
  const native = await app.admin.request('GET', '/v1/models');
  const { data } = native.json() as { data: { id: string; sora_studio: object }[] };
  const said = (id: string) => data.find((model) => model.id === id)?.sora_studio;
  expect(said('clips')).toMatchObject({ operations: ['remix', 'edit', 'extend'], stand_ins: [] });
  expect(said('simulator')).toMatchObject({ operations: [], stand_ins: ['remix', 'edit', 'extend'] });
  expect(said('blind')).toMatchObject({ operations: [], stand_ins: ['remix', 'edit'] });
});
