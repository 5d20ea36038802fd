import { readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../core/json.ts';
import { FormData, type Outbound, type OutboundRequest } from '../../core/outbound.ts';
import { Secret } from '../../core/secret.ts';
import type { Operation, PollResult } from '../provider.ts';
import { createTestClock, readAll } from '../testing.ts';
import { dialectNamed } from './dialects.ts';
import { modelNamed } from './models.ts';
import { createOpenAiVideos } from './openai-videos.ts';

interface Fixture {
  about: string;
  dialect: string;
  model: string;
  extra?: JsonObject;
  create: { encoding: 'json' | 'multipart'; fields: JsonObject; status: number; answer: Json };
  polls: { status: number; headers?: Record<string, string>; answer: Json; means: PollResult }[];
  content: { at: string; key: boolean; status: number; type: string; body?: Json }[];
  noOutput?: boolean;
  cancel?: { running: Json; answer?: Json; means: string };
  list?: { answer: Json; finds: string };
}

interface Sent extends OutboundRequest {
  url: string;
}

const folder = new URL('fixtures/', import.meta.url);
const fixtures = readdirSync(folder).map((file): [string, Fixture] => [
  file,
  JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Fixture,
]);
const signal = new AbortController().signal;
const CREATED = 1_795_132_800_000;

/** An upstream that gives prepared answers, in order, and notes what it was sent. */
function prepared(answers: { status: number; headers?: Record<string, string>; body: string }[]) {
  const sent: Sent[] = [];
  const outbound: Outbound = (url, request) => {
    sent.push({ ...request, url });
    const next = answers.shift();
    if (!next) throw new Error(`nothing prepared for ${url}`);
    return Promise.resolve({
      ...next,
      headers: next.headers ?? {},
      body: Readable.from([Buffer.from(next.body)]),
    });
  };
  return { outbound, sent };
}

function open(fixture: Fixture, answers: Parameters<typeof prepared>[0]) {
  const upstream = prepared(answers);
  const provider = createOpenAiVideos({
    baseUrl: 'http://upstream.test:8000/',
    apiKey: new Secret('the-key'),
    dialect: dialectNamed(fixture.dialect),
    outbound: upstream.outbound,
    clock: createTestClock(CREATED + 60_000),
  });
  const model = modelNamed(fixture.model);
  const { defaultSize: size } = model;
  const extra = fixture.extra ? { extra: fixture.extra } : {};
  const plan = provider.plan(
    { prompt: 'a paper boat', seconds: 4, size, hasReference: false, ...extra },
    model,
  );
  return { ...upstream, provider, plan };
}

const json = (status: number, body: Json, headers?: Record<string, string>) => ({
  status,
  body: JSON.stringify(body),
  ...(headers ? { headers } : {}),
});

async function operationOf(fixture: Fixture) {
  const { provider, plan, sent } = open(fixture, [json(fixture.create.status, fixture.create.answer)]);
  return { operation: await provider.submit(plan, { idempotencyKey: 'key-1', signal }), sent };
}

describe.each(fixtures)('the dialect in %s', (_file, fixture) => {
  it('says where it comes from', () => expect(fixture.about).toMatch(/not recorded/));

  it('gets the create call in its own terms', async () => {
    const { sent } = await operationOf(fixture);
    expect(sent).toHaveLength(1);
    const [call] = sent;
    expect(call).toMatchObject({
      url: 'http://upstream.test:8000/v1/videos',
      method: 'POST',
      freshConnection: true,
    });
    expect(call?.headers).toMatchObject({ 'idempotency-key': 'key-1', authorization: 'Bearer the-key' });
    const multipart = call?.body instanceof FormData;
    expect(multipart).toBe(fixture.create.encoding === 'multipart');
    const fields: unknown = multipart
      ? Object.fromEntries((call.body as FormData).entries())
      : JSON.parse(String(call?.body));
    expect(fields).toEqual(fixture.create.fields);
  });

  it.each(fixture.polls)(
    'has its answer understood: $status, $answer.status',
    async ({ status, headers, answer, means }) => {
      const { operation } = await operationOf(fixture);
      const { provider } = open(fixture, [json(status, answer, headers)]);
      expect(await provider.poll(operation, { signal })).toEqual(means);
    },
  );

  it('gives its file, or says that there is none', async () => {
    const { operation } = await operationOf(fixture);
    const { provider, sent } = open(
      fixture,
      fixture.content.map(({ status, type, body }) => ({
        status,
        headers: { 'content-type': type },
        body: body === undefined ? 'the bytes' : JSON.stringify(body),
      })),
    );
    const opening = provider.open(operation, 'video', 0, { signal });
    if (fixture.noOutput) await expect(opening).rejects.toMatchObject({ kind: 'gone', code: 'no_output' });
    else expect((await readAll((await opening).body)).toString()).toBe('the bytes');
    expect(sent.map(({ url, headers, trust }) => [url, 'authorization' in (headers ?? {}), trust])).toEqual(
      fixture.content.map(({ at, key }) =>
        at.startsWith('/') ? [`http://upstream.test:8000${at}`, key, 'configured'] : [at, key, 'untrusted'],
      ),
    );
  });

  const { cancel } = fixture;
  const stops = async (cancel: NonNullable<Fixture['cancel']>) => {
    const { running, answer, means } = cancel;
    const { operation } = await operationOf(fixture);
    const { provider, sent } = open(fixture, [
      json(200, running),
      ...(answer === undefined ? [] : [json(200, answer)]),
    ]);
    if (means === 'rejected')
      await expect(provider.cancel?.(operation, { signal })).rejects.toMatchObject({ kind: means });
    else expect(await provider.cancel?.(operation, { signal })).toBe(means);
    expect(sent.some(({ method }) => method === 'DELETE')).toBe(means !== 'rejected');
  };
  if (cancel) it('is stopped where it can be', () => stops(cancel));

  it('is looked through for a lost submission', async () => {
    const { provider, plan } = open(fixture, [
      fixture.list ? json(200, fixture.list.answer) : json(404, { detail: 'Not Found' }),
    ]);
    const found: Operation[] = [];
    const read = async () => {
      for await (const { videos } of provider.list?.({ signal }) ?? []) {
        found.push(
          ...videos.filter((video) => video.fits(plan) === 'match').map(({ operation }) => operation ?? null),
        );
      }
    };
    const isRefused = (error: unknown) => expect(error).toMatchObject({ kind: 'gone' });
    await read().catch(isRefused);
    const expected = fixture.list?.finds === 'found' ? [(await operationOf(fixture)).operation] : [];
    expect(found).toEqual(expected);
  });
});
