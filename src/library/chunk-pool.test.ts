import { expect, test } from 'vitest';
import { createChunkPool } from './chunk-pool.ts';

test('memory is used again only when the whole copy has come back, and once', () => {
  const pool = createChunkPool();
  const first = pool.copy(Buffer.from('hello'));
  pool.release(first.subarray(0, 2));
  pool.release(first.subarray(1));
  const second = pool.copy(Buffer.from('other'));
  expect(second.buffer).not.toBe(first.buffer);
  expect(String(first)).toBe('hello');
  pool.release(first);
  pool.release(first);
  const [third, fourth] = [pool.copy(Buffer.from('third')), pool.copy(Buffer.from('4th'))];
  expect(third.buffer).toBe(first.buffer);
  expect(fourth.buffer).not.toBe(first.buffer);
});

test('what is larger than a piece, or was never lent, is left alone', () => {
  const pool = createChunkPool();
  const large = pool.copy(Buffer.alloc(100_000, 1));
  pool.release(large);
  pool.release(Buffer.alloc(10));
  expect(pool.copy(Buffer.from('a')).buffer.byteLength).toBe(64 * 1024);
  expect(large.length).toBe(100_000);
});
