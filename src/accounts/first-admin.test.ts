import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { isLocal } from './first-admin.ts';

const asked = (remoteAddress: string | undefined, headers: Record<string, string>) =>
  isLocal({ socket: { remoteAddress }, headers } as unknown as FastifyRequest);

test.each([
  ['127.0.0.1', 'localhost:3000'],
  ['127.8.9.10', '127.0.0.1:3000'],
  ['::1', '[::1]:3000'],
  ['::ffff:127.0.0.1', 'localhost'],
])('from %s at %s it is this machine', (address, host) => {
  expect(asked(address, { host })).toBe(true);
});

test.each([
  ['192.168.1.5', { host: 'localhost:3000' }],
  ['::ffff:10.0.0.1', { host: 'localhost' }],
  [undefined, { host: 'localhost' }],
  ['127.0.0.1', { host: 'studio.example' }],
  ['127.0.0.1', { host: 'localhost.evil.example' }],
  ['127.0.0.1', { host: '127.0.0.1.evil.example' }],
  ['127.0.0.1', {}],
  ['127.0.0.1', { host: 'localhost', 'x-forwarded-for': '127.0.0.1' }],
  ['127.0.0.1', { host: 'localhost', forwarded: 'for=127.0.0.1' }],
  ['127.0.0.1', { host: 'localhost', 'x-real-ip': '127.0.0.1' }],
])('from %s with %j it is not', (address, headers) => {
  expect(asked(address, headers as Record<string, string>)).toBe(false);
});
