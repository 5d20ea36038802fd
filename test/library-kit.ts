import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { newId, sha256 } from '../src/core/ids.ts';
import type { Job, JobResult } from '../src/jobs/job.ts';
import type { JobView } from '../src/jobs/job-view.ts';
import { newJob } from '../src/jobs/new-job.ts';
import type { Caller, TestApp } from './create-test-app.ts';

export const ADMIN = 'usr_admin';

/** Ids of users by the name they were made with. */
export async function userId({ db }: TestApp, name: string): Promise<string> {
  const { id } = await db.selectFrom('users').select('id').where('name', '=', name).executeTakeFirstOrThrow();
  return id;
}

let made = 0;

/** A finished video with its file, put where the engine would have put it: no test here is about making one. */
export async function addVideo(
  app: TestApp,
  fields: Partial<Job> = {},
  content?: Buffer | null,
): Promise<Job> {
  const id = fields.id ?? newId('video');
  made += 1;
  const createdAt = fields.created_at ?? new Date(app.clock.now() - 1_000_000 + made * 1000);
  const status = fields.status ?? 'completed';
  const result = status === 'completed' ? await store(app, id, content) : null;
  const job: Job = {
    ...newJob({
      id,
      owner_id: ADMIN,
      user_id: ADMIN,
      api_key_id: null,
      name: null,
      priority: 0,
      model: 'simulator',
      connection: 'simulator',
      prompt: `video number ${made}`,
      seconds: 1,
      width: 64,
      height: 64,
      plan: { upstreamModel: 'simulator' },
      reference_key: null,
      reference_type: null,
      tags: [],
      metadata: {},
      webhook_url: null,
      estimated_micros: 2_000_000,
      fingerprint: null,
      created_at: createdAt,
    }),
    stage: 'finished',
    progress: status === 'completed' ? 100 : 0,
    charged_micros: status === 'completed' ? 1_500_000 : 0,
    error_code: status === 'failed' ? 'provider_failed' : null,
    error_message: status === 'failed' ? 'It said no.' : null,
    cancel_outcome: status === 'cancelled' ? 'not_started' : null,
    result: result && { ...result, files: { ...result.files } as never },
    stored_bytes: Object.values(result?.files ?? {}).reduce((sum, file) => sum + file.sizeBytes, 0),
    started_at: createdAt,
    finished_at: new Date(createdAt.getTime() + 5000),
    ...fields,
    status,
  };
  const { search: _search, ...row } = job;
  await app.db
    .insertInto('jobs')
    .values({
      ...row,
      plan: JSON.stringify(job.plan),
      metadata: JSON.stringify(job.metadata),
      result: job.result && JSON.stringify(job.result),
      derived: (job.derived && JSON.stringify(job.derived)) as never,
      rate: null,
    })
    .execute();
  return job;
}

async function store(app: TestApp, id: string, content?: Buffer | null): Promise<JobResult> {
  const folder = `videos/${id.slice(-2)}/${id}/run`;
  const file = async (name: string, data: Buffer, contentType: string) => {
    const key = `${folder}/${name}`;
    const path = join(app.dataDir, 'storage', key);
    await mkdir(dirname(path), { recursive: true });
    if (content !== null) await writeFile(path, data);
    return { key, sizeBytes: data.length, sha256: sha256(data), contentType };
  };
  const files = {
    video: await file('video.mp4', content ?? Buffer.from(`the video ${id}`), 'video/mp4'),
    thumbnail: await file('thumbnail.webp', Buffer.from(`the thumbnail ${id}`), 'image/webp'),
  };
  return { seconds: 1, width: 64, height: 64, codec: 'avc', hasAudio: false, files };
}

export function call(
  caller: Caller,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  body?: object,
) {
  return caller.inject({ method, url: `/api/v1${url}`, ...(body ? { payload: body } : {}) });
}

/** The `data` of an answer that must have succeeded. */
export async function data<Data = JobView>(
  caller: Caller,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  body?: object,
): Promise<Data> {
  const response = await call(caller, method, url, body);
  expect(response.statusCode, response.body).toBeLessThan(300);
  return (response.json() as { data: Data }).data;
}

/** Status and code of an answer that must have failed. */
export async function failure(
  caller: Caller,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  body?: object,
): Promise<[number, string]> {
  const response = await call(caller, method, url, body);
  const { error } = response.json() as { error?: { code: string } };
  return [response.statusCode, error?.code ?? ''];
}

/** Types of the events of a job, with the fields that changed. */
export async function eventsOf(caller: Caller, jobId: string): Promise<string[]> {
  const events = await data<{ type: string; data: { fields?: string[] } }[]>(
    caller,
    'GET',
    `/videos/${jobId}/events`,
  );
  return events.map(({ type, data: { fields } }) => (fields ? `${type} ${fields.join(',')}` : type));
}
