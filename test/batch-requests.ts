import type { LightMyRequestResponse } from 'fastify';
import { expect } from 'vitest';
import type { BatchView } from '../src/batches/batch-view.ts';
import type { JobView } from '../src/jobs/job-view.ts';
import type { Caller, TestApp } from './create-test-app.ts';

export interface CreatedBatch {
  batchId: string;
  name: string | null;
  jobIds: string[];
  total: number;
  jobs: JobView[];
  cost: { estimatedUsd: number };
}

export interface Refusal {
  code: string;
  message: string;
  details?: {
    field?: string;
    limit?: number;
    known?: string[];
    items?: { index: number; line?: number; code: string; message: string; field?: string }[];
  };
}

/** Any answer's parts, for tests that know which ones it has. */
export const dataOf = <Data>(response: LightMyRequestResponse) => (response.json() as { data: Data }).data;
export const refusalOf = (response: LightMyRequestResponse) => (response.json() as { error: Refusal }).error;

/** Sends a batch: an object as JSON, a text as a file of that type. */
export function post(
  caller: Caller,
  payload: object | string,
  { type, query = '', ...headers }: Record<string, string> = {},
): Promise<LightMyRequestResponse> {
  const url = `/api/v1/videos/batch${query}`;
  return caller.inject({
    method: 'POST',
    url,
    payload,
    headers: { ...headers, ...(type === undefined ? {} : { 'content-type': type }) },
  });
}

export async function createBatch(caller: Caller, payload: object): Promise<CreatedBatch> {
  const response = await post(caller, payload);
  expect(response.statusCode, response.body).toBe(201);
  return dataOf<CreatedBatch>(response);
}

export async function getBatch(caller: Caller, id: string, query = ''): Promise<BatchView> {
  const response = await caller.request('GET', `/api/v1/batches/${id}${query}`);
  expect(response.statusCode, response.body).toBe(200);
  return dataOf<BatchView>(response);
}

/** Rows of everything that a creation writes. */
export async function countRows({ db }: TestApp): Promise<number[]> {
  const tables = ['batches', 'jobs', 'events', 'idempotency_keys', 'assets'] as const;
  return Promise.all(
    tables.map(async (table) => {
      const count = db.selectFrom(table).select((eb) => eb.fn.countAll<number>().as('count'));
      return (await count.executeTakeFirstOrThrow()).count;
    }),
  );
}

/** The events of a batch itself, in order. */
export async function batchEvents({ db }: TestApp, batchId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('events')
    .select('type')
    .where('batch_id', '=', batchId)
    .where('job_id', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map(({ type }) => type);
}
