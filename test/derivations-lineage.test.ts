import { expect, test } from 'vitest';
import { insertJobs } from '../src/jobs/insert-jobs.repository.ts';
import { type Derivation, placeUnder } from '../src/jobs/derivation.ts';
import type { Job } from '../src/jobs/job.ts';
import { newJob } from '../src/jobs/new-job.ts';
import { newId } from '../src/core/ids.ts';
import type { LineageNode, LineageView } from '../src/derivations/lineage.ts';
import { type Caller, createTestApp, type TestApp, useTestApp } from './create-test-app.ts';

const shared = useTestApp();

/** A job that nobody works on, written down as it would be. */
function job(owner: string, prompt: string, parent?: Job, kind: Derivation = 'remix', usd = 1): Job {
  const derived = kind === 'retry' ? undefined : ({ by: 'stand_in' } as const);
  return newJob({
    id: newId('video'),
    user_id: null,
    owner_id: owner,
    api_key_id: null,
    name: null,
    priority: 0,
    model: 'simulator',
    connection: 'simulator',
    prompt,
    seconds: 1,
    width: 64,
    height: 64,
    plan: {},
    reference_key: null,
    reference_type: null,
    tags: [],
    metadata: {},
    webhook_url: null,
    estimated_micros: usd * 1_000_000,
    fingerprint: null,
    created_at: new Date(),
    ...(parent ? placeUnder(parent, kind, derived) : {}),
  });
}

async function ownerOf({ db }: TestApp, caller: Caller): Promise<string> {
  const { jobId } = await caller.create();
  const row = await db
    .selectFrom('jobs')
    .select('owner_id')
    .where('id', '=', jobId)
    .executeTakeFirstOrThrow();
  return row.owner_id;
}

async function lineageOf(caller: Caller, jobId: string): Promise<LineageView> {
  const response = await caller.request('GET', `/api/v1/videos/${jobId}/lineage`);
  expect(response.statusCode).toBe(200);
  return (response.json() as { data: LineageView }).data;
}

/** a → (b → (d), c → (e, a retry)) */
async function family(app: TestApp) {
  const owner = await ownerOf(app, app.admin);
  const a = job(owner, 'a red boat on a lake');
  const b = job(owner, 'a blue boat on a lake', a, 'remix', 2);
  const c = job(owner, 'a red boat at sea', a, 'edit', 4);
  const d = job(owner, 'a blue boat on a lake', b, 'extend', 8);
  const e = job(owner, 'a red boat at sea', c, 'retry', 16);
  await insertJobs(app.db, [{ jobs: [a, b, c, d, e] }], 'UTC');
  return { a, b, c, d, e };
}

const node = (view: LineageView, { id }: Job) => view.nodes.find(({ jobId }) => jobId === id);

test('the tree of a video: the way up, everything below, what changed and what each branch cost', async () => {
  const app = shared();
  const { a, b, c, d, e } = await family(app);
  await app.db.updateTable('jobs').set({ charged_micros: 500_000 }).where('id', '=', d.id).execute();
  const view = await lineageOf(app.admin, d.id);
  expect(view).toMatchObject({
    rootId: a.id,
    videoId: d.id,
    ancestors: [a.id, b.id],
    truncated: false,
    total: { videos: 5, costUsd: 23.5 },
  });
  expect(view.nodes.map(({ jobId }) => jobId)).toEqual([a.id, b.id, c.id, d.id, e.id]);
  expect(node(view, a)).toMatchObject({
    parentId: null,
    kind: null,
    by: null,
    depth: 0,
    children: [b.id, c.id],
    cost: { ownUsd: 1, branchUsd: 23.5 },
    promptDiff: null,
    status: 'pending',
    model: 'simulator',
    thumbnailUrl: null,
    trashed: false,
    deleted: false,
  });
  expect(node(view, b)).toMatchObject({
    parentId: a.id,
    kind: 'remix',
    by: 'stand_in',
    children: [d.id],
    cost: { ownUsd: 2, branchUsd: 2.5 },
    promptDiff: [
      { text: 'a ' },
      { removed: true, text: 'red' },
      { added: true, text: 'blue' },
      { text: ' boat on a lake' },
    ],
  });
  // Retries count.
  expect(node(view, c)).toMatchObject({ kind: 'edit', cost: { ownUsd: 4, branchUsd: 20 } });
  expect(node(view, e)).toMatchObject({ kind: 'retry', by: null, promptDiff: [{ text: e.prompt }] });
  const seenFromElsewhere = await lineageOf(app.admin, e.id);
  expect(seenFromElsewhere).toMatchObject({ ancestors: [a.id, c.id], nodes: view.nodes });
});

test('a deleted ancestor keeps its place, a trashed one is marked, and the chain holds', async () => {
  const app = shared();
  const { a, b, c, d, e } = await family(app);
  await app.admin.request('DELETE', `/v1/videos/${b.id}`);
  await app.admin.request('DELETE', `/api/v1/videos/${c.id}`);
  const at = new Date();
  await app.db.updateTable('jobs').set({ deleted_at: at, trashed_at: at }).where('id', '=', c.id).execute();
  const view = await lineageOf(app.admin, d.id);
  expect(view).toMatchObject({ ancestors: [a.id, b.id], total: { videos: 4, costUsd: 25 } });
  expect(node(view, b)).toEqual({
    jobId: b.id,
    parentId: a.id,
    depth: 1,
    children: [d.id],
    deleted: true,
  });
  expect(node(view, c)).toMatchObject({ deleted: false, trashed: true, children: [e.id] });
  expect(node(view, a)?.children.toSorted()).toEqual([b.id, c.id].toSorted());
  expect((node(view, d) as LineageNode).promptDiff).toBeNull();
  await app.admin.request('DELETE', `/v1/videos/${a.id}`);
  const rootless = await lineageOf(app.admin, d.id);
  expect(rootless.ancestors).toEqual([a.id, b.id]);
  expect(node(rootless, a)).toMatchObject({ deleted: true, parentId: null });
  // One that is hidden until its cancellation is settled has left, too.
  await app.db.updateTable('jobs').set({ deleted_at: at, trashed_at: null }).where('id', '=', c.id).execute();
  expect(node(await lineageOf(app.admin, e.id), c)).toMatchObject({ deleted: true, children: [e.id] });
});

test('a video that came of nothing has a tree of one', async () => {
  const { jobId } = await shared().admin.create();
  const view = await lineageOf(shared().admin, jobId);
  expect(view).toMatchObject({ rootId: jobId, ancestors: [], truncated: false, total: { videos: 1 } });
  expect(view.nodes).toHaveLength(1);
});

test("nobody sees anything of another owner's tree", async () => {
  const app = shared();
  const { a, d } = await family(app);
  const stranger = await app.user();
  const theirs = job(await ownerOf(app, stranger), 'theirs', a);
  await insertJobs(app.db, [{ jobs: [theirs] }], 'UTC');
  for (const id of [d.id, 'video_x']) {
    expect((await stranger.request('GET', `/api/v1/videos/${id}/lineage`)).statusCode).toBe(404);
  }
  expect((await lineageOf(app.admin, a.id)).nodes.map(({ jobId }) => jobId)).not.toContain(theirs.id);
  const view = await lineageOf(stranger, theirs.id);
  expect(view.nodes).toMatchObject([{ jobId: a.id, deleted: true }, { jobId: theirs.id }]);
  expect(JSON.stringify(view)).not.toContain(a.prompt);
});

test('of a large tree the nearest thousand are shown, and all are counted', async () => {
  const app = await createTestApp();
  const owner = await ownerOf(app, app.admin);
  const root = job(owner, 'root');
  const children = Array.from({ length: 1200 }, (_, index) => job(owner, `child ${index}`, root));
  const grandchild = job(owner, 'grandchild', children[1100]);
  await insertJobs(app.db, [{ jobs: [root, ...children, grandchild] }], 'UTC');
  const view = await lineageOf(app.admin, grandchild.id);
  expect(view).toMatchObject({ truncated: true, total: { videos: 1202, costUsd: 1202 } });
  expect(view.nodes).toHaveLength(1000);
  for (const near of [root, grandchild, children[1100] ?? root]) expect(node(view, near)).toBeDefined();
  expect(node(view, root)).toMatchObject({ cost: { branchUsd: 1202 } });
  const shown = new Set(view.nodes.map(({ jobId }) => jobId));
  expect(view.nodes.flatMap(({ children: ids }) => ids).filter((id) => !shown.has(id))).toEqual([]);
});

test('many very long prompts are compared as far as the measure goes, the nearest first', async () => {
  const app = shared();
  const owner = await ownerOf(app, app.admin);
  const long = (word: string) => `${word} `.repeat(30_000 / (word.length + 1));
  const root = job(owner, long('boat'));
  const children = Array.from({ length: 20 }, (_, index) => job(owner, long(`boat${index}`), root));
  await insertJobs(app.db, [{ jobs: [root, ...children] }], 'UTC');
  const last = children[19] ?? root;
  const view = await lineageOf(app.admin, last.id);
  const diffs = view.nodes.filter((each) => !each.deleted && each.promptDiff !== null);
  expect(diffs.length).toBeGreaterThan(3);
  expect(diffs.length).toBeLessThan(20);
  expect(diffs.map(({ jobId }) => jobId)).toContain(last.id);
});

test('no video can become its own ancestor: the database refuses it', async () => {
  const app = shared();
  const { a, d } = await family(app);
  const makeChildOf = app.db
    .updateTable('jobs')
    .set({ parent_id: d.id, root_id: d.id, depth: 1, derivation: 'remix' })
    .where('id', '=', a.id)
    .execute();
  await expect(makeChildOf).rejects.toMatchObject({ constraint: 'jobs_parent_fixed' });
  expect((await lineageOf(app.admin, d.id)).rootId).toBe(a.id);
});
