import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { AssetView } from '../src/assets/asset-view.ts';
import type { JobView } from '../src/jobs/job-view.ts';
import { errorOf, post, upload } from './assets.ts';
import { type Caller, createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { picture } from './images.ts';
import { type RunningSimulator, startSimulator } from './start-simulator.ts';

const VIDEOS = '/api/v1/videos';

/** The app before a simulator that counts what it is given; at speed 1 nothing is done within a test. */
async function withUpstream(
  speed: 0 | 1,
): Promise<TestApp & { references: () => Promise<(string | null)[]> }> {
  const simulator: RunningSimulator = await startSimulator(['--speed', String(speed)]);
  const app = await createTestApp({
    OPENAI_BASE_URL: simulator.url,
    OPENAI_MODELS: 'simulator',
    MAX_RUNNING: '20',
  });
  const references = async () => {
    const { creations } = await simulator.ledger();
    return creations.map((creation) => (creation as { reference?: string | null }).reference ?? null);
  };
  return { ...app, references };
}

async function assetOf(caller: Caller, { inputReference }: JobView): Promise<AssetView> {
  return ((await caller.request('GET', `/api/v1/assets/${inputReference}`)).json() as { data: AssetView })
    .data;
}

test('the upstream gets the very image of the asset, however it was given', async () => {
  const app = await withUpstream(1);
  const { admin } = app;
  const image = await picture('png');
  const asset = await upload(admin, image);
  const dataUrl = `data:image/png;base64,${image.toString('base64')}`;
  const jobs = [
    await admin.create({ ...SMALL, inputReference: asset.assetId }),
    await admin.create({ ...SMALL, inputReference: dataUrl }),
  ];
  for (const field of ['inputReference', 'input_reference']) {
    const fields = { prompt: 'a form', resolution: '64x64', duration: '1', [field]: image };
    const response = await post(admin, VIDEOS, fields);
    expect(response.statusCode, response.body).toBe(201);
    jobs.push((response.json() as { data: JobView }).data);
  }
  for (const reference of [{ file_id: asset.assetId }, { image_url: dataUrl }]) {
    const body = { prompt: 'x', seconds: '1', size: '64x64', input_reference: reference };
    const { id } = (await admin.request('POST', '/v1/videos', body)).json() as { id: string };
    jobs.push(await admin.get(id));
  }
  expect(jobs.map((job) => job.inputReference)).toEqual(jobs.map(() => asset.assetId));
  await app.settle();
  expect(await app.references()).toEqual(jobs.map(() => asset.sha256));
});

test('referenceFit brings the image to the size of the video; without it the image is sent as it is', async () => {
  const app = await withUpstream(1);
  const { admin } = app;
  const asset = await upload(admin, await picture('png', 96, 64), { name: 'wide' });
  const dataUrl = `data:image/png;base64,${(await picture('png', 96, 64)).toString('base64')}`;
  const sizes = ['96x64', '64x64', '64x64', '64x64', '96x64'];
  const bodies = [
    { inputReference: asset.assetId },
    { inputReference: asset.assetId, referenceFit: 'cover' },
    { inputReference: asset.assetId, referenceFit: 'contain' },
    { inputReference: dataUrl, referenceFit: 'cover' },
    { inputReference: asset.assetId, referenceFit: 'cover', resolution: '96x64' },
  ];
  const jobs: JobView[] = [];
  for (const body of bodies) jobs.push(await admin.create({ ...SMALL, ...body }));
  const used = await Promise.all(jobs.map((job) => assetOf(admin, job)));
  expect(used.map(({ width, height }) => `${width}x${height}`)).toEqual(sizes);
  expect(used[1]).toMatchObject({ name: 'wide', source: 'upload' });
  expect(used[2]?.assetId).not.toBe(used[1]?.assetId);
  expect(used[3]?.assetId).toBe(used[1]?.assetId);
  expect(used[4]?.assetId).toBe(asset.assetId);
  await app.settle();
  expect((await app.references()).toSorted()).toEqual(used.map(({ sha256 }) => sha256).toSorted());
});

test('a job whose asset is deleted keeps its picture, and one made before there were assets too', async () => {
  const app = await withUpstream(0);
  const { admin } = app;
  const { assetId, sha256 } = await upload(admin, await picture('jpeg'));
  const { jobId } = await admin.create({ ...SMALL, inputReference: assetId });
  const deleted = await admin.request('DELETE', `/api/v1/assets/${assetId}`);
  expect(deleted.json()).toEqual({ success: true, data: { assetId, deleted: true } });
  expect((await admin.request('DELETE', `/api/v1/assets/${assetId}`)).statusCode).toBe(404);
  expect((await admin.get(jobId)).inputReference).toBeNull();
  expect(await readdir(join(app.dataDir, 'storage', 'references'))).toEqual([`${sha256}.jpeg`]);
  expect((await app.finish(jobId)).status).toBe('completed');
  expect(await app.references()).toEqual([sha256]);
});

test('an asset that is deleted while a video starts from it makes no video', async () => {
  const app = await createTestApp();
  const { assetId } = await upload(app.admin, await picture());
  // Between the look at the asset and the commit, as closely as it gets.
  await sql`create function take_away() returns trigger language plpgsql as
    $$ begin delete from assets where id = new.asset_id; return new; end $$`.execute(app.db);
  await sql`create trigger take_away before insert on jobs for each row execute function take_away()`.execute(
    app.db,
  );
  const response = await app.admin.request('POST', VIDEOS, { ...SMALL, inputReference: assetId });
  expect([response.statusCode, errorOf(response).code]).toEqual([404, 'asset_not_found']);
  expect(errorOf(response).details).toEqual({ field: 'inputReference' });
  const { pagination } = (await app.admin.request('GET', VIDEOS)).json() as { pagination: object };
  expect(pagination).toMatchObject({ total: 0 });
});

test('a wish that is refused takes no image', async () => {
  const { admin } = await createTestApp();
  const image = await picture();
  const inputReference = `data:image/png;base64,${image.toString('base64')}`;
  for (const body of [
    { prompt: '', inputReference },
    { prompt: 'x', duration: 1000, inputReference },
    { prompt: 'x', model: 'nope', inputReference },
    { prompt: 'x', referenceFit: 'fill', inputReference },
    { prompt: 'x', referenceFit: 'cover' },
  ]) {
    expect((await admin.request('POST', VIDEOS, body)).statusCode).toBe(400);
  }
  const both = await post(admin, VIDEOS, { prompt: 'x', inputReference: 'asset_1', input_reference: image });
  expect(errorOf(both)).toMatchObject({ code: 'invalid_request', details: { field: 'inputReference' } });
  expect((await admin.request('GET', '/api/v1/assets')).json()).toMatchObject({ pagination: { total: 0 } });
});
