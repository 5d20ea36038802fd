import { expect, test } from 'vitest';
import { isOwnOrigin, isProgram } from './csrf.ts';

const PUBLIC = 'https://studio.example/base';

test.each([
  [{ origin: 'http://localhost:3000', host: 'localhost:3000' }, undefined],
  [{ origin: 'https://studio.example', host: 'studio.example' }, undefined],
  [{ origin: 'https://studio.example', host: 'inner:3000' }, PUBLIC],
  [{ origin: 'http://[::1]:3000', host: '[::1]:3000' }, undefined],
  [{ origin: 'http://studio.example', host: 'Studio.Example' }, undefined],
  [{ host: 'x', 'sec-fetch-site': 'same-origin' }, undefined],
])('%j is this server’s own', (headers, publicUrl) => {
  expect(isOwnOrigin(headers, publicUrl)).toBe(true);
});

test.each([
  [{ host: 'localhost:3000' }, undefined],
  [{ origin: 'http://localhost:3001', host: 'localhost:3000' }, undefined],
  [{ origin: 'null', host: 'null' }, undefined],
  [{ origin: '', host: '' }, undefined],
  [{ origin: 'http://evil.example' }, undefined],
  [{ origin: 'https://studio.example.evil.example', host: 'inner' }, PUBLIC],
  [{ origin: 'http://studio.example', host: 'inner' }, PUBLIC],
  [{ origin: 'chrome-extension://studio.example', host: 'studio.example' }, PUBLIC],
  [{ host: 'x', 'sec-fetch-site': 'same-site' }, undefined],
  [{ host: 'x', 'sec-fetch-site': 'none' }, undefined],
  [{ origin: 'http://evil.example', host: 'x', 'sec-fetch-site': 'same-origin' }, undefined],
])('%j is not', (headers, publicUrl) => {
  expect(isOwnOrigin(headers, publicUrl)).toBe(false);
});

test.each([
  [{ host: 'x' }, true],
  [{ host: 'x', 'sec-fetch-mode': 'cors' }, true],
  [{ host: 'x', cookie: 'a=b' }, false],
  [{ host: 'x', origin: 'http://x' }, false],
  [{ host: 'x', 'sec-fetch-site': 'cross-site' }, false],
])('whether %j comes from a program: %s', (headers, expected) => {
  expect(isProgram(headers)).toBe(expected);
});
