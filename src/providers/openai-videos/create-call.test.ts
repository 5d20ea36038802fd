import { describe, expect, it } from 'vitest';
import { FormData } from '../../core/outbound.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { createCall, encodingAskedFor } from './create-call.ts';
import { DIALECTS } from './dialects.ts';
import { modelNamed } from './models.ts';
import { planVideo } from './plan-video.ts';

const image = { data: Buffer.from('bytes'), contentType: 'image/webp' } as const;
const url = `data:image/webp;base64,${image.data.toString('base64')}`;

function answer(status: number, json: unknown): UpstreamAnswer {
  return { status, headers: {}, json, text: JSON.stringify(json) };
}

describe('a create call', () => {
  it('carries the image in JSON where the dialect wants it', () => {
    const fields = { prompt: 'x' };
    expect(JSON.parse(String(createCall({ request: fields }, image, 'json', DIALECTS.generic).body))).toEqual(
      {
        prompt: 'x',
        input_reference: { image_url: url },
      },
    );
    expect(
      JSON.parse(String(createCall({ request: fields }, image, 'json', DIALECTS['llm-gateway']).body)),
    ).toEqual({
      prompt: 'x',
      image: url,
    });
    expect(fields).toEqual({ prompt: 'x' });
  });

  it('carries everything as text and a file in a form', async () => {
    const { body, headers } = createCall(
      { request: { prompt: 'x', seed: 7, lora: { a: 1 }, none: null } },
      image,
      'multipart',
      DIALECTS.generic,
    );
    if (!(body instanceof FormData)) throw new Error('not a form');
    const { input_reference: file, ...fields } = Object.fromEntries(body.entries());
    expect(fields).toEqual({ prompt: 'x', seed: '7', lora: '{"a":1}' });
    expect(file).toMatchObject({ name: 'reference.webp', type: 'image/webp', size: 5 });
    expect(headers).toEqual({});
  });
});

describe('an operation on a video', () => {
  const source = (kind: 'remix' | 'edit' | 'extend') => ({ kind, operation: { id: 'video/1' }, seconds: 8 });
  const size = { width: 720, height: 1280 };
  it.each([
    ['remix', '/videos/video%2F1/remix', { prompt: 'x' }, { prompt: 'x' }, 4],
    [
      'edit',
      '/videos/edits',
      { prompt: 'x', video: { id: 'video/1' } },
      { prompt: 'x', 'video[id]': 'video/1' },
      4,
    ],
    [
      'extend',
      '/videos/extensions',
      { prompt: 'x', seconds: '4', video: { id: 'video/1' } },
      { prompt: 'x', seconds: '4', 'video[id]': 'video/1' },
      12,
    ],
  ] as const)('goes as %s to %s, in either encoding', (kind, path, json, fields, seconds) => {
    const request = { prompt: 'x', seconds: 4, size, hasReference: false, source: source(kind) };
    const model = { ...modelNamed('sora-2'), pricePerSecondMicros: 5 };
    const plan = planVideo(request, model, DIALECTS.openai);
    // Only what is newly made is paid for.
    expect(plan).toMatchObject({
      upstreamModel: 'sora-2',
      seconds,
      size,
      quoteMicros: 20,
      source: source(kind),
    });
    const call = createCall(plan, undefined, 'json', DIALECTS.openai);
    expect(call.path).toBe(path);
    expect(JSON.parse(String(call.body))).toEqual(json);
    const { body } = createCall(plan, undefined, 'multipart', DIALECTS.openai);
    expect(Object.fromEntries((body as FormData).entries())).toEqual(fields);
  });
});

describe('the encoding a refusal asks for', () => {
  const fieldRequired = { detail: [{ type: 'missing', loc: ['body', 'prompt'], msg: 'Field required' }] };
  it.each([
    [415, {}, 'json', 'multipart'],
    [415, {}, 'multipart', 'json'],
    [422, fieldRequired, 'json', 'multipart'],
    [400, { error: { message: 'Expected multipart/form-data' } }, 'json', 'multipart'],
    [400, { error: 'Content-Type must be application/json' }, 'multipart', 'json'],
    [400, { error: { message: 'The prompt is blocked' } }, 'json', undefined],
    [400, { error: { message: 'Invalid value for seconds' } }, 'multipart', undefined],
    [422, { detail: [{ type: 'missing', loc: ['body', 'fps'], msg: 'Field required' }] }, 'json', undefined],
    [500, { error: 'Expected multipart/form-data' }, 'json', undefined],
    [200, {}, 'json', undefined],
  ] as const)('%i %j to %s: %s', (status, json, used, asked) => {
    expect(encodingAskedFor(answer(status, json), used)).toBe(asked);
  });
});
