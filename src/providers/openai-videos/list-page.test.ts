import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Outbound } from '../../core/outbound.ts';
import { createTestClock } from '../testing.ts';
import { connectServer } from './connection.ts';
import { dialectNamed } from './dialects.ts';
import { listPage } from './list-page.ts';

const signal = new AbortController().signal;

/** A connection whose server answers the calls in this order. */
function serverOf(...answers: { status?: number; body: unknown }[]) {
  const asked: string[] = [];
  const outbound: Outbound = (url) => {
    asked.push(new URL(url).pathname + new URL(url).search);
    const { status = 200, body } = answers.shift() ?? { body: undefined };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return Promise.resolve({ status, headers: {}, body: Readable.from([Buffer.from(text)]) });
  };
  const clock = createTestClock();
  const dialect = dialectNamed('openai');
  return { asked, connection: connectServer({ baseUrl: 'http://up.test', dialect, outbound, clock }) };
}

const video = (id: string) => ({ id, status: 'queued' });

describe('a page of a list', () => {
  it('goes on after the last one although the server says nothing about more and gives fewer than asked for', async () => {
    const { connection } = serverOf({ body: [video('b'), video('a')] });
    expect(await listPage(connection, undefined, signal)).toMatchObject({ next: 'a', ended: false });
  });

  it('is the last one where the server says so, and where it is empty from the start', async () => {
    const { connection } = serverOf(
      { body: { data: [video('a')], has_more: false } },
      { body: { object: 'list', data: null } },
    );
    expect(await listPage(connection, undefined, signal)).toMatchObject({ next: undefined, ended: true });
    expect(await listPage(connection, undefined, signal)).toEqual({
      videos: [],
      next: undefined,
      ended: true,
    });
  });

  it('that is empty ends the list only when the server still knows the video before it', async () => {
    const empty = { body: { data: [], has_more: false } };
    const known = serverOf(empty, { body: video('a') });
    expect(await listPage(known.connection, 'a', signal)).toMatchObject({ ended: true });
    expect(known.asked[1]).toBe('/v1/videos/a');
    const unknown = serverOf(empty, { status: 404, body: { detail: 'Video not found' } });
    await expect(listPage(unknown.connection, 'a', signal)).rejects.toMatchObject({
      kind: 'gone',
      code: 'cursor_gone',
    });
  });

  it('that shows the cursor again proves no end: the server takes no cursors', async () => {
    const { connection } = serverOf({ body: [video('b'), video('a')] });
    expect(await listPage(connection, 'a', signal)).toMatchObject({ next: undefined, ended: false });
  });

  it('is none when it is no list: an object without data, a page of a gateway', async () => {
    const { connection } = serverOf({ body: {} }, { body: '<html>Welcome</html>' });
    const none = { kind: 'ambiguous', code: 'unreadable_answer' };
    await expect(listPage(connection, undefined, signal)).rejects.toMatchObject(none);
    await expect(listPage(connection, undefined, signal)).rejects.toMatchObject(none);
  });
});
