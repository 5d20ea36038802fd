import { describe, expect, it } from 'vitest';
import type { Fit } from '../listed-video.ts';
import type { VideoSource } from '../provider.ts';
import { readAnswer } from './answer.ts';
import { dialectNamed } from './dialects.ts';
import { fitOf } from './fit.ts';
import { modelNamed } from './models.ts';
import { planVideo } from './plan-video.ts';

const PROMPT = 'A boat.\n\nAt dawn, cafe\u0301 by the lake ';

const listed = {
  id: 'boat',
  prompt: PROMPT,
  model: 'sora-2',
  created_at: 1_790_000_000,
  size: '720x1280',
  seconds: '4',
};

function fit(told: object, source?: VideoSource): Fit {
  const size = { width: 720, height: 1280 };
  const request = { prompt: PROMPT, seconds: 4, size, hasReference: false, ...(source ? { source } : {}) };
  const answer = readAnswer({ ...listed, ...told });
  if (!answer) throw new Error('no video');
  return fitOf(answer, planVideo(request, modelNamed('sora-2'), dialectNamed('openai')));
}

describe('a listed video against a plan', () => {
  it.each([
    ['as it was sent', {}],
    ['trimmed', { prompt: PROMPT.trim() }],
    ['in NFC', { prompt: PROMPT.normalize('NFC') }],
    ['with other line feeds', { prompt: PROMPT.replaceAll('\n', '\r\n') }],
    ['with its white space collapsed', { prompt: PROMPT.replace(/\s+/g, ' ') }],
    ['a size with a star', { size: '720*1280' }],
    ['a size with a cross and blanks', { size: '720 × 1280' }],
    ['a size in capitals', { size: '720X1280' }],
    ['a length with a unit', { seconds: '4s' }],
    ['a length with decimals', { seconds: '4.0' }],
    ['a dated model', { model: 'sora-2-2025-12-08' }],
    ['a model with its vendor', { model: 'openai/sora-2' }],
    ['no size, length or model', { size: null, seconds: null, model: null }],
  ])('matches when it is told %s', (_what, told) => {
    expect(fit(told)).toBe('match');
  });

  it.each([
    ['a prompt that was cut', { prompt: PROMPT.slice(0, 20) }],
    ['a prompt that was cut with dots', { prompt: `${PROMPT.slice(0, 20)}...` }],
    ['a prompt that was cut with an ellipsis', { prompt: `${PROMPT.slice(0, 20)}…` }],
    ['no prompt', { prompt: undefined }],
    ['no time', { created_at: undefined }],
    ['the name that the server gives its model', { model: 'Wan-AI/Wan2.2-T2V-A14B' }],
    ['a size by name', { size: '720p' }],
  ])('may be it when it is told %s', (_what, told) => {
    expect(fit(told)).toBe('near');
  });

  it.each([
    ['other words', { prompt: 'Another boat' }],
    ['another size', { size: '1280x720' }],
    ['another length', { seconds: '8' }],
    ['a source that was not asked for', { remixed_from_video_id: 'parent' }],
  ])('differs by %s', (_what, told) => {
    expect(fit(told)).toBe('other');
  });

  const source = (kind: VideoSource['kind']) => ({ kind, operation: { id: 'parent' }, seconds: 8 });
  it.each([
    ['a remix that names its source', 'remix', { remixed_from_video_id: 'parent' }, 'match'],
    ['one of another source', 'remix', { remixed_from_video_id: 'x' }, 'other'],
    ['one that may have been made without a source', 'remix', {}, 'near'],
    [
      'an extension by the length of the whole',
      'extend',
      { remixed_from_video_id: 'parent', seconds: '12' },
      'match',
    ],
    ['an extension by what was added', 'extend', { remixed_from_video_id: 'parent' }, 'match'],
    ['an extension of another length', 'extend', { remixed_from_video_id: 'parent', seconds: '8' }, 'other'],
  ] as const)('judges %s', (_what, kind, told, expected) => {
    expect(fit(told, source(kind))).toBe(expected);
  });
});
