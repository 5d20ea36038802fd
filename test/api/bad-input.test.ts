import { expect, test } from 'vitest';
import { createTestApp, type TestApp, useTestApp } from '../create-test-app.ts';

const shared = useTestApp();

async function countJobs({ db }: TestApp): Promise<number> {
  return (await db.selectFrom('jobs').select('id').execute()).length;
}

type Case = [what: string, body: unknown, code: string, mention: RegExp];

const NATIVE: Case[] = [
  ['no prompt', {}, 'invalid_request', /prompt: is needed/],
  ['an empty prompt', { prompt: '' }, 'invalid_prompt', /empty/],
  ['a blank prompt', { prompt: ' \n\t ' }, 'invalid_prompt', /empty/],
  ['a huge prompt', { prompt: 'x'.repeat(32_001) }, 'invalid_prompt', /32001 characters; 32000/],
  ['a number as prompt', { prompt: 7 }, 'invalid_request', /prompt: must be string/],
  ['null as prompt', { prompt: null }, 'invalid_request', /prompt: must be string/],
  ['a NUL in the prompt', { prompt: 'a\u0000b' }, 'invalid_prompt', /control characters/],
  ['an escape character in the prompt', { prompt: 'a\u001b[31m' }, 'invalid_prompt', /control characters/],
  ['half an emoji', { prompt: 'a \ud83d b' }, 'invalid_prompt', /control characters/],
  ['an unknown field', { prompt: 'x', sizes: '1x1' }, 'unknown_field', /sizes: there is no such field/],
  ['a duration as text', { prompt: 'x', duration: '4' }, 'invalid_request', /duration: must be integer/],
  ['half a second', { prompt: 'x', duration: 1.5 }, 'invalid_request', /duration: must be integer/],
  ['no time at all', { prompt: 'x', duration: 0 }, 'invalid_request', /duration/],
  ['too long', { prompt: 'x', duration: 1000 }, 'unsupported_duration', /1 to 60 whole seconds/],
  ['an unknown model', { prompt: 'x', model: 'nope' }, 'model_not_found', /no model "nope"/],
  ['a size that is none', { prompt: 'x', resolution: 'big' }, 'invalid_request', /720p, 1080p or 1280x720/],
  ['an odd size', { prompt: 'x', resolution: '101x101' }, 'unsupported_size', /even sizes from 64x64/],
  ['a size too big', { prompt: 'x', resolution: '4k' }, 'unsupported_size', /1920x1920/],
  ['a shape that is none', { prompt: 'x', aspectRatio: 'wide' }, 'invalid_request', /16:9/],
  [
    'size and shape at odds',
    { prompt: 'x', resolution: '1280x720', aspectRatio: '9:16' },
    'unsupported_size',
    /1280x720 is not 9:16/,
  ],
  ['an unknown priority', { prompt: 'x', priority: 'urgent' }, 'invalid_request', /one of low, normal, high/],
  ['tags that are no list', { prompt: 'x', tags: 'a' }, 'invalid_request', /tags: must be array/],
  ['a NUL in a tag', { prompt: 'x', tags: ['a\u0000'] }, 'invalid_request', /tags.0/],
  ['metadata that nests', { prompt: 'x', metadata: { a: { b: 'c' } } }, 'invalid_request', /metadata.a/],
  ['a webhook that is no URL', { prompt: 'x', webhookUrl: 'me' }, 'invalid_request', /webhookUrl/],
  [
    'a webhook of another kind',
    { prompt: 'x', webhookUrl: 'file:///etc/passwd' },
    'invalid_request',
    /webhookUrl/,
  ],
  ['a reference that is no image', { prompt: 'x', inputReference: 'hello' }, 'invalid_reference', /data URL/],
  [
    'a reference that says it is a PNG',
    { prompt: 'x', inputReference: `data:image/png;base64,${Buffer.from('GIF89a').toString('base64')}` },
    'invalid_reference',
    /JPEG, PNG or WebP/,
  ],
  ['a list', [{ prompt: 'x' }], 'invalid_request', /JSON object/],
  ['a text', '"x"', 'invalid_request', /JSON object/],
];

test.each(NATIVE)('native create refuses %s', async (_what, body, code, mention) => {
  const app = shared();
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await app.admin.inject({
    method: 'POST',
    url: '/api/v1/videos',
    headers: { 'content-type': 'application/json' },
    payload,
  });
  expect(response.statusCode).toBe(400);
  const { success, error } = response.json() as { success: boolean; error: Record<string, unknown> };
  expect({ success, code: error['code'] }).toEqual({ success: false, code });
  expect(error['message']).toMatch(mention);
  expect(error['requestId']).toBe(response.headers['x-request-id']);
  expect(await countJobs(app)).toBe(0);
});

test.each([
  '/api/v1/videos/x%00',
  '/v1/videos/x%00',
  '/v1/videos?after=x%00',
  '/api/v1/assets/x%00',
  '/api/v1/collections/x%00',
  '/api/v1/keys/x%00',
  '/api/v1/keys?after=x%00',
  '/api/v1/teams/x%00',
  '/api/v1/admin/users/x%00',
  '/api/v1/admin/jobs/x%00',
  '/api/v1/admin/usage?owner=x%00',
])('a NUL in %s is refused', async (url) => {
  const response = await shared().admin.request('GET', url);
  expect(response.statusCode, response.body).toBe(400);
  expect(response.body).toContain('no text');
});

test.each([
  ['POST', '/api/v1/keys', { name: 'x', expiresAt: '2030-12-31T23:59:60Z' }],
  ['GET', '/api/v1/admin/audit?from=2016-12-31T23:59:60Z'],
  ['GET', '/api/v1/admin/jobs?to=2016-12-31T23:59:60Z'],
] as const)(
  'a leap second, which no clock here has, is refused: %s %s',
  async (method, url, body?: object) => {
    const response = await shared().admin.request(method, url, body);
    expect(response.statusCode, response.body).toBe(400);
    expect(response.body).toContain('date-time');
  },
);

test('refusals of size, length and model list what is possible', async () => {
  const { admin } = shared();
  const details = async (body: object) =>
    ((await admin.request('POST', '/api/v1/videos', body)).json() as { error: { details: unknown } }).error
      .details;
  expect(await details({ prompt: 'x', duration: 99 })).toMatchObject({
    field: 'duration',
    allowed: { min: 1, max: 60 },
  });
  expect(await details({ prompt: 'x', resolution: '63x63' })).toMatchObject({
    field: 'resolution',
    allowed: { min: '64x64' },
  });
  expect(await details({ prompt: 'x', model: 'm' })).toMatchObject({
    models: ['simulator', 'sora-2', 'sora-2-pro'],
  });
});

const OPENAI: [string, object, string, string | null, RegExp][] = [
  ['no prompt', {}, 'invalid_value', 'prompt', /needed/],
  ['an unknown field', { prompt: 'x', n: 2 }, 'unknown_parameter', 'n', /no such field/],
  ['an unknown model', { prompt: 'x', model: 'nope' }, 'model_not_found', 'model', /nope/],
  ['seconds that are no number', { prompt: 'x', seconds: 'four' }, 'invalid_value', 'seconds', /seconds/],
  ['too many seconds', { prompt: 'x', seconds: '99' }, 'unsupported_duration', 'seconds', /1 to 60/],
  ['a size that is none', { prompt: 'x', size: '720p' }, 'invalid_value', 'size', /1280x720/],
  ['a size too big', { prompt: 'x', size: '4000x4000' }, 'unsupported_size', 'size', /1920x1920/],
  ['an empty prompt', { prompt: '' }, 'invalid_prompt', 'prompt', /empty/],
];

test.each(OPENAI)('OpenAI create refuses %s', async (_what, body, code, param, mention) => {
  const app = shared();
  const response = await app.admin.request('POST', '/v1/videos', body);
  expect(response.statusCode).toBe(400);
  const { error } = response.json() as { error: Record<string, unknown> };
  expect(error).toMatchObject({ type: 'invalid_request_error', code, param });
  expect(error['message']).toMatch(mention);
  expect(await countJobs(app)).toBe(0);
});

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM = 'multipart/form-data; boundary=X';

const BROKEN: [string, Record<string, string>, string, number, string][] = [
  ['broken JSON', JSON_TYPE, '{"prompt":', 400, 'invalid_json'],
  ['an empty body', JSON_TYPE, '', 400, 'invalid_json'],
  ['a body of another type', { 'content-type': 'text/xml' }, '<a/>', 415, 'unsupported_media_type'],
  [
    'a form without its end',
    { 'content-type': FORM },
    '--X\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhel',
    400,
    'invalid_multipart',
  ],
  ['a form without a boundary', { 'content-type': 'multipart/form-data' }, 'x', 400, 'invalid_multipart'],
  [
    'a body over the limit',
    JSON_TYPE,
    JSON.stringify({ prompt: 'x'.repeat(200_000) }),
    413,
    'payload_too_large',
  ],
  ['__proto__ in the body', JSON_TYPE, '{"prompt":"x","__proto__":{"a":1}}', 400, 'invalid_json'],
];

test.each(BROKEN)('%s gets its own answer on both APIs', async (_what, headers, payload, status, code) => {
  const app = await createTestApp({ BODY_LIMIT: '100000' });
  for (const url of ['/api/v1/videos', '/v1/videos']) {
    const response = await app.admin.inject({ method: 'POST', url, headers, payload });
    expect(response.json()).toMatchObject({ error: { code } });
    expect(response.statusCode).toBe(status);
  }
  expect(await countJobs(app)).toBe(0);
});

test.each([
  ['/api/v1/videos?status=lost', 'status'],
  ['/api/v1/videos?from=yesterday', 'from'],
  ['/api/v1/videos?limit=0', 'limit'],
  ['/api/v1/videos?limit=101', 'limit'],
  ['/api/v1/videos?page=two', 'page'],
  ['/api/v1/videos?page=1000&limit=100', 'page'],
  ['/api/v1/videos?cursor=abc', 'cursor'],
  ['/api/v1/videos?sort=prompt', 'sort'],
  ['/api/v1/videos?unknown=1', 'unknown'],
  ['/v1/videos?order=up', 'order'],
  ['/v1/videos?limit=1000', 'limit'],
])('GET %s is refused with a word about %s', async (url, field) => {
  const { admin } = shared();
  const response = await admin.request('GET', url);
  expect(response.statusCode).toBe(400);
  expect(JSON.stringify(response.json())).toContain(field);
});

test.each([
  '/api/v1/nothing',
  '/v1/nothing',
  '/nothing',
  '/api/v1/videos/x/y/z',
  '/%ff',
  '/api/v1/videos/..%2f..',
])('GET %s is 404 in the envelope of its API', async (url) => {
  const { admin } = shared();
  const response = await admin.request('GET', url);
  expect(response.statusCode).toBe(404);
  const { error } = response.json() as { error: Record<string, unknown> };
  expect(url.startsWith('/v1/') ? error['type'] : error['requestId']).toBeDefined();
});

test('emoji, quotes, line breaks and right-to-left text are fine in a prompt', async () => {
  const { admin, finish } = await createTestApp();
  const prompt = '🦊 says "hi"\n\tשלום — naïve <b>&amp;</b> \' ; drop table jobs; --';
  const job = await admin.create({ prompt, resolution: '64x64', duration: 1 });
  expect((await finish(job.jobId)).status).toBe('completed');
  expect((await admin.get(job.jobId)).prompt).toBe(prompt);
});

test.each([
  '/videos/%00',
  '/videos/a%00/lineage',
  '/videos/zip?ids=%00',
  '/collections/%00',
  '/assets/%00/content',
  '/batches?from=-271821-04-20T00:00:00Z',
  '/videos?to=-005000-01-01T00:00:00Z',
])('%s is refused: no database can be asked about it', async (url) => {
  const response = await shared().admin.request('GET', `/api/v1${url}`);
  expect([response.statusCode, response.json()]).toMatchObject([400, { error: { code: 'invalid_request' } }]);
});

test('a NUL in an address of the OpenAI-compatible API is refused in its own words', async () => {
  const response = await shared().admin.request('GET', '/v1/videos/%00');
  expect([response.statusCode, response.json()]).toMatchObject([
    400,
    { error: { type: 'invalid_request_error' } },
  ]);
});
