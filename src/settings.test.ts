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
    // PostgreSQL reads offsets reversed.
    QUOTA_TIME_ZONE: '+05:30',
  });
  expect(problems).toHaveLength(8);
  for (const part of [
    'PORT must be a whole number from 0 to 65535',
    'LOG_LEVEL must be one of: trace',
    'sora-2=model',
    '429=0.1',
    'http:// or https://',
    'MAX_RUNNING',
    'ROLE=worker needs DATABASE_URL',
    'QUOTA_TIME_ZONE must be the name of a time zone',
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

test('S3 needs a bucket, keys go together, links need S3, and all of it is said at once', () => {
  const problems = problemsOf({
    STORAGE_PROVIDER: 's3',
    AWS_ACCESS_KEY_ID: 'id',
    S3_ENDPOINT: 'minio:9000',
    S3_PREFIX: 'a b',
    S3_LINK_SECONDS: '5',
  });
  expect(problems).toEqual([
    'S3_ENDPOINT must be a URL that starts with http:// or https://.',
    'S3_PREFIX must be made of letters, digits, -, _, . and /.',
    'S3_LINK_SECONDS must be a whole number from 10 to 604800.',
    'STORAGE_PROVIDER=s3 needs S3_BUCKET.',
    'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both or neither.',
  ]);
  expect(problemsOf({ S3_DOWNLOADS: 'links' })).toEqual([
    expect.stringContaining('needs STORAGE_PROVIDER=s3'),
  ]);
  // Somebody else's keys in the environment are no business of a server that keeps its files itself.
  expect(problemsOf({ AWS_ACCESS_KEY_ID: 'id' })).toEqual([]);
});

test('S3 is configured with what the machine has, or with keys that do not show', () => {
  const bucket = { STORAGE_PROVIDER: 's3', S3_BUCKET: 'videos' };
  expect(loadConfig(bucket).storage).toMatchObject({
    provider: 's3',
    s3: { bucket: 'videos', region: 'us-east-1', endpoint: undefined, prefix: '', credentials: undefined },
    linkSeconds: undefined,
  });
  const config = loadConfig({
    ...bucket,
    S3_PREFIX: '/studio/a/',
    S3_DOWNLOADS: 'links',
    AWS_ACCESS_KEY_ID: 'AKIA-mine',
    AWS_SECRET_ACCESS_KEY: 'secret-of-mine',
    AWS_SESSION_TOKEN: 'token-of-mine',
  });
  expect(config.storage).toMatchObject({ s3: { prefix: 'studio/a' }, linkSeconds: 300 });
  expect(config.storage.s3?.credentials?.secretAccessKey.reveal()).toBe('secret-of-mine');
  expect(`${inspect(config, { depth: 9 })} ${JSON.stringify(config)}`).not.toMatch(/of-mine|AKIA/);
});
