import { describe, expect, it } from 'vitest';
import { publicCode, publicText } from './redact.ts';

describe('publicText', () => {
  it.each([
    [
      'Incorrect API key provided: sk-proj-abcdefgh12345678. Find it at https://x.example/keys?a=b.',
      'Incorrect API key provided: [redacted] Find it at [link]',
    ],
    ['Incorrect API key provided.', 'Incorrect API key provided.'],
    ['sent Authorization: Bearer abc.def.ghi12345 to it', 'sent Authorization: Bearer [redacted] to it'],
    ['api_key=0123456789abcdef, x', 'api_key=[redacted], x'],
    ['key AIzaSyA1234567890abcdefghijklmno', 'key [redacted]'],
    ['get http://10.0.0.7:8000/v1?key=1', 'get [link]'],
    ['two\nlines\r\u001b[31mred\u202e', 'two lines [31mred'],
    ['', ''],
  ])('%j', (text, clean) => expect(publicText(text)).toBe(clean));

  it('removes given secrets and shortens', () => {
    expect(publicText('host gpu-7.internal said no', ['gpu-7.internal', ''])).toBe('host [redacted] said no');
    expect(publicText('x'.repeat(1000))).toHaveLength(300);
  });
});

describe('publicCode', () => {
  it.each([
    ['moderation_blocked', 'moderation_blocked'],
    ['ContentPolicyViolation', 'content_policy_violation'],
    ['Some thing: odd!', 'some_thing_odd'],
    ['42', undefined],
    ['', undefined],
    [null, undefined],
    [{}, undefined],
  ])('%j', (code, clean) => expect(publicCode(code)).toBe(clean));
});
