import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('nothing set is fine: loopback, port 3000, embedded database, simulator', () => {
  expect(loadConfig({})).toMatchObject({
    role: 'all',
    http: { host: '127.0.0.1', port: 3000, rateLimit: { max: 1000, windowMs: 60_000 } },
    database: { url: undefined },
    simulator: { enabled: true, speed: 1, maxRunning: 5 },
    connections: [],
    aliases: {},
  });
});

test('every problem is named, each with what would be right', () => {
  const problems = problemsOf({
    PORT: '70000',
    LOG_LEVEL: 'loud',
    MODEL_ALIASES: 'sora-2',
    SIMULATOR_FAULTS: 'explode=1',
    OPENAI_BASE_URL: 'ftp://x',
    MAX_RUNNING: '1.5',
    ROLE: 'worker',
  });
  expect(problems).toHaveLength(7);
  for (const part of [
    'PORT must be a whole number from 0 to 65535',
    'LOG_LEVEL must be one of: trace',
    'sora-2=model',
    '429=0.1',
    'http:// or https://',
    'MAX_RUNNING',
    'ROLE=worker needs DATABASE_URL',
  ]) {
    expect(problems.some((problem) => problem.includes(part))).toBe(true);
  }
});

test('an upstream makes a connection named openai with the settings of the OPENAI variables', () => {
  const { connections } = loadConfig({
    OPENAI_BASE_URL: 'http://gpu:8000/v1',
    OPENAI_API_KEY: 'sk-secret',
    OPENAI_MODELS: 'wan, veo',
    OPENAI_TIMEOUT: '5000',
    MAX_RUNNING: '2',
  });
  expect(connections).toMatchObject([
    {
      name: 'openai',
      baseUrl: 'http://gpu:8000/v1',
      timeoutMs: 5000,
      maxRetries: 3,
      maxRunning: 2,
      models: [{ id: 'wan' }, { id: 'veo' }],
    },
  ]);
  expect(connections[0]?.apiKey?.reveal()).toBe('sk-secret');
});

test('secrets do not show when a configuration is printed, logged or serialised', () => {
  const config = loadConfig({ API_KEY: 'sk-one-of-mine', OPENAI_API_KEY: 'sk-another' });
  const shown = `${inspect(config, { depth: 9 })} ${JSON.stringify(config)} ${String(config.apiKey)}`;
  expect(shown).not.toMatch(/sk-one-of-mine|sk-another/);
  expect(shown).toContain('[redacted]');
});

test('turning the simulator off needs something to make videos with', () => {
  expect(problemsOf({ SIMULATOR: 'off' })).toEqual([expect.stringContaining('no model to make videos with')]);
  expect(problemsOf({ SIMULATOR: 'off', OPENAI_API_KEY: 'k' })).toEqual([]);
});
