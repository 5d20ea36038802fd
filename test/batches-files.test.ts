import { expect, test } from 'vitest';
import { countRows, type CreatedBatch, dataOf, post, refusalOf } from './batch-requests.ts';
import { useTestApp } from './create-test-app.ts';

const shared = useTestApp();

const CSV = 'text/csv; charset=utf-8';
const JSONL = 'application/jsonl';

async function created(file: string, type: string): Promise<CreatedBatch['jobs']> {
  const response = await post(shared().admin, file, { type });
  expect(response.statusCode, response.body).toBe(201);
  return dataOf<CreatedBatch>(response).jobs;
}

test('CSV: quotes, line ends, a byte order mark, lists, metadata and empty cells', async () => {
  const jobs = await created(
    [
      '\ufeffprompt,duration, resolution ,aspect_ratio,tags,metadata.scene,priority,name',
      '"A ""red"" fox, running\nin snow",2,64x64,,"a; b",12,high,',
      '',
      'plain,,128x64,2:1,"c,d",,,Näme',
      ',,,,,,,',
    ].join('\r\n'),
    CSV,
  );
  expect(jobs).toMatchObject([
    {
      prompt: 'A "red" fox, running\nin snow',
      duration: 2,
      tags: ['a', 'b'],
      metadata: { scene: '12' },
      priority: 'high',
      name: null,
    },
    {
      prompt: 'plain',
      resolution: '128x64',
      tags: ['c', 'd'],
      metadata: {},
      priority: 'normal',
      name: 'Näme',
    },
  ]);
});

test('JSONL: our own words, and lines of the OpenAI batch format', async () => {
  const lines = [
    { prompt: 'native', duration: 1, resolution: '64x64', metadata: { a: '1' } },
    {
      custom_id: 'shot-1',
      method: 'POST',
      url: '/v1/videos',
      body: { prompt: 'openai', model: 'sora-2', seconds: '4', size: '1280x720', metadata: { a: '2' } },
    },
  ];
  const jobs = await created(`${lines.map((line) => JSON.stringify(line)).join('\r\n\r\n')}\n`, JSONL);
  expect(jobs).toMatchObject([
    { prompt: 'native', duration: 1, resolution: '64x64', metadata: { a: '1' } },
    {
      prompt: 'openai',
      model: 'sora-2',
      duration: 4,
      resolution: '1280x720',
      metadata: { a: '2', custom_id: 'shot-1' },
    },
  ]);
});

test.each([
  ['shots.csv', 'application/vnd.ms-excel', 'prompt\nfrom a form\n'],
  ['shots', 'text/csv', 'prompt\nfrom a form\n'],
  ['shots.jsonl', 'application/octet-stream', '{"prompt":"from a form"}'],
  ['defaults have the prompt.csv', 'text/csv', 'name\nfrom a form\n'],
])('a form with the file %s of type %s, a name and defaults', async (name, type, text) => {
  const form = new FormData();
  form.set('name', 'From a form');
  form.set('defaults', JSON.stringify({ prompt: 'a default', resolution: '64x64', duration: 1 }));
  form.set('file', new File([text], name, { type }));
  const response = await shared().admin.inject({
    method: 'POST',
    url: '/api/v1/videos/batch',
    payload: form,
  });
  expect(response.statusCode, response.body).toBe(201);
  const batch = dataOf<CreatedBatch>(response);
  expect(batch.name).toBe('From a form');
  expect([batch.jobs[0]?.prompt, batch.jobs[0]?.name]).toContain('from a form');
  expect(batch.jobs[0]).toMatchObject({ resolution: '64x64', duration: 1 });
});

const manyRows = `prompt\n${'x\n'.repeat(11)}`;

test.each<[string, string, string, RegExp]>([
  ['an empty file', '', CSV, /no header row/],
  ['only a header', 'prompt,name\n', CSV, /1 to 10 videos/],
  ['too many rows', manyRows, CSV, /1 to 10 videos/],
  ['unknown columns', 'prompt,Size,colour\nx,1,2\n', CSV, /"Size", "colour".*there are prompt, model/],
  ['no column for the prompt', 'name\nx\n', CSV, /lacks columns: "prompt"/],
  ['a column twice', 'prompt,aspectRatio,aspect_ratio\nx,,\n', CSV, /twice: "aspectRatio"/],
  ['a NUL in the header', 'prompt\u0000\nx\n', CSV, /do not exist/],
  ['semicolons between the columns', 'prompt;name\nx;y\n', CSV, /separated by commas/],
  ['an open quote', 'prompt\n"x\ny\n', CSV, /never closed/],
  ['a quote amid a cell', 'prompt\na "b" c\n', CSV, /line 2/],
  ['an empty file', '', JSONL, /1 to 10 videos/],
  ['too many lines', '{"prompt":"x"}\n'.repeat(11), JSONL, /1 to 10 videos/],
])('%s (%#): 400, and nothing is stored', async (_what, file, type, mention) => {
  const before = await countRows(shared());
  const response = await post(shared().admin, file, { type });
  expect(response.statusCode).toBe(400);
  expect(refusalOf(response)).toMatchObject({
    code: 'invalid_batch',
    message: expect.stringMatching(mention) as string,
  });
  expect(await countRows(shared())).toEqual(before);
});

test.each<[string, string, string, [number, number, string, string | undefined][]]>([
  [
    'rows with the wrong number of cells, and a wrong number',
    'prompt,duration\n"two\nlines",1\nx\ny,1,2\nz,soon\n',
    CSV,
    [
      [1, 4, 'invalid_request', undefined],
      [2, 5, 'invalid_request', undefined],
      [3, 6, 'invalid_request', 'duration'],
    ],
  ],
  [
    'a NUL in a cell',
    'prompt,name\na\u0000,x\nb,y\u0000\n',
    CSV,
    [
      [0, 2, 'invalid_prompt', 'prompt'],
      [1, 3, 'invalid_request', 'name'],
    ],
  ],
  ['a huge cell', `prompt\nx\n${'x'.repeat(3_000_000)}\n`, CSV, [[1, 3, 'invalid_prompt', 'prompt']]],
  [
    '__proto__ as metadata',
    'prompt,metadata.__proto__\nx,\n,y\n',
    CSV,
    [[1, 3, 'invalid_request', 'prompt']],
  ],
  [
    'broken lines',
    '{"prompt":"x"}\n{"prompt":\n\n7\n{"prompt":"x","sizes":1}',
    JSONL,
    [
      [1, 2, 'invalid_json', undefined],
      [2, 4, 'invalid_request', undefined],
      [3, 5, 'unknown_field', 'sizes'],
    ],
  ],
  [
    'lines in the OpenAI batch format that are not for videos',
    [
      { custom_id: 'a', body: { prompt: 'x' } },
      { custom_id: 'a', body: { prompt: 'x' } },
      { method: 'GET', body: { prompt: 'x' } },
      { url: '/v1/chat/completions', body: { prompt: 'x' } },
      { custom_id: 7, body: { prompt: 'x' } },
      { body: 'x' },
      { body: { prompt: 'x' }, more: 1 },
    ]
      .map((line) => JSON.stringify(line))
      .join('\n'),
    JSONL,
    [
      [1, 2, 'invalid_request', 'custom_id'],
      [2, 3, 'invalid_request', 'method'],
      [3, 4, 'invalid_request', 'url'],
      [4, 5, 'invalid_request', 'custom_id'],
      [5, 6, 'invalid_request', 'body'],
      [6, 7, 'unknown_field', 'more'],
    ],
  ],
  [
    'a picture in the OpenAI words that is no asset',
    JSON.stringify({ body: { prompt: 'x', input_reference: { file_id: 'asset_nobody' } } }),
    JSONL,
    [[0, 1, 'asset_not_found', 'inputReference']],
  ],
])('%s: each is named by its line, and nothing is stored', async (_what, file, type, expected) => {
  const before = await countRows(shared());
  const response = await post(shared().admin, file, { type });
  expect(response.statusCode).toBe(400);
  const { code, details } = refusalOf(response);
  expect(code).toBe('invalid_batch');
  expect(details?.items?.map((item) => [item.index, item.line, item.code, item.field])).toEqual(expected);
  expect(await countRows(shared())).toEqual(before);
});

test.each<[string, Record<string, string | File>, string]>([
  ['no file', { name: 'x' }, 'invalid_request'],
  ['a file of another kind', { file: new File(['x'], 'x.txt', { type: 'text/plain' }) }, 'invalid_request'],
  ['a file in another field', { video: new File(['prompt\nx'], 'x.csv') }, 'unknown_field'],
  ['defaults that are no JSON', { defaults: '{', file: new File(['prompt\nx'], 'x.csv') }, 'invalid_request'],
  ['defaults that are a list', { defaults: '[]', file: new File(['prompt\nx'], 'x.csv') }, 'invalid_request'],
  ['videos as well', { videos: '[]', file: new File(['prompt\nx'], 'x.csv') }, 'unknown_field'],
  ['an unknown field', { size: '1', file: new File(['prompt\nx'], 'x.csv') }, 'unknown_field'],
])('a form with %s is refused', async (_what, fields, code) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  const response = await shared().admin.inject({
    method: 'POST',
    url: '/api/v1/videos/batch',
    payload: form,
  });
  expect([response.statusCode, refusalOf(response).code], response.body).toEqual([400, code]);
});

test('what is not UTF-8, another type or too large is refused', async () => {
  const { admin } = shared();
  const send = (payload: Buffer | string, type: string) =>
    admin.inject({ method: 'POST', url: '/api/v1/videos/batch', payload, headers: { 'content-type': type } });
  const latin = await send(Buffer.from('prompt\nn\xe4me\n', 'latin1'), CSV);
  expect([latin.statusCode, refusalOf(latin).message]).toEqual([400, expect.stringContaining('UTF-8')]);
  const other = await send('prompt\nx\n', 'text/plain');
  expect([other.statusCode, refusalOf(other).code]).toEqual([415, 'unsupported_media_type']);
  expect(refusalOf(other).message).toContain('text/csv');
  const large = await send(`prompt\n${'x'.repeat(26 * 1024 ** 2)}`, CSV);
  expect([large.statusCode, refusalOf(large).code]).toEqual([413, 'payload_too_large']);
});
