import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll } from 'vitest';
import { Secret } from '../src/core/secret.ts';
import { newId } from '../src/core/ids.ts';
import { createS3Client, type S3Options } from '../src/storage/s3-client.ts';
import { hasS3, MOTO } from './moto.ts';

/** For `describe.skipIf`; the reason goes into the name of what is skipped. */
export const noS3 = !hasS3();
export const whyNoS3 = noS3 ? ` (skipped: no ${MOTO.name}; ${MOTO.get})` : '';

/** Objects in one page of a list, where the store is ours: few, so that a test needs few to have several pages. */
export const PAGE = 10;

export interface TestS3 {
  /** A part of the bucket that nobody else uses. */
  options(): S3Options;
  /** The same as settings of the product. */
  settings(): S3Settings;
  /** For looking at what the product left. */
  client: S3Client;
}

interface S3Settings extends Record<string, string> {
  S3_BUCKET: string;
  S3_PREFIX: string;
}

interface Endpoint {
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  stop(): void;
}

/**
 * One store for the tests of a file: TEST_S3_ENDPOINT with its bucket and keys, or moto as a process of its own. Moto
 * keeps what S3 keeps, but does not check signatures, payload hashes or the smallest size of a part, and calls every
 * unfinished upload years old.
 */
export function useS3(): () => TestS3 {
  let shared: { endpoint: Endpoint; client: S3Client } | undefined;
  beforeAll(async () => {
    const endpoint = configured() ?? (await startMoto());
    const client = createS3Client(optionsOf(endpoint, ''));
    shared = { endpoint, client };
  });
  afterAll(() => {
    shared?.client.destroy();
    shared?.endpoint.stop();
  });
  return () => {
    if (!shared) throw new Error('the store is there only inside tests');
    const { endpoint, client } = shared;
    const prefix = `test-${newId('run')}`;
    return {
      client,
      options: () => optionsOf(endpoint, prefix),
      settings: () => ({
        STORAGE_PROVIDER: 's3',
        S3_ENDPOINT: endpoint.endpoint,
        S3_BUCKET: endpoint.bucket,
        S3_REGION: endpoint.region,
        S3_PREFIX: prefix,
        AWS_ACCESS_KEY_ID: endpoint.accessKeyId,
        AWS_SECRET_ACCESS_KEY: endpoint.secretAccessKey,
      }),
    };
  };
}

function optionsOf({ endpoint, bucket, region, accessKeyId, secretAccessKey }: Endpoint, prefix: string) {
  const credentials = {
    accessKeyId: new Secret(accessKeyId),
    secretAccessKey: new Secret(secretAccessKey),
    sessionToken: undefined,
  };
  return { endpoint, bucket, region, prefix, credentials };
}

function configured(): Endpoint | undefined {
  const endpoint = process.env['TEST_S3_ENDPOINT'];
  if (endpoint === undefined) return undefined;
  return {
    endpoint,
    bucket: process.env['TEST_S3_BUCKET'] ?? '',
    region: process.env['TEST_S3_REGION'] ?? 'us-east-1',
    accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    stop() {},
  };
}

/** Ends when its input does, so that a killed test run leaves no server behind. */
const SERVER = `
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', '0'])
`;

async function startMoto(): Promise<Endpoint> {
  const env = { ...process.env, MOTO_S3_DEFAULT_MAX_KEYS: String(PAGE) };
  const child = spawn('python3', ['-c', SERVER], { env, stdio: ['pipe', 'ignore', 'pipe'] });
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    const endpoint = /Running on (http:\/\/\S+)/.exec(line)?.[1];
    if (endpoint === undefined) continue;
    child.stderr.resume();
    const keys = { accessKeyId: 'test', secretAccessKey: 'test-secret' };
    const store = {
      endpoint,
      bucket: 'sora',
      region: 'us-east-1',
      ...keys,
      stop: () => void child.kill('SIGKILL'),
    };
    const client = createS3Client(optionsOf(store, ''));
    await client.send(new CreateBucketCommand({ Bucket: store.bucket }));
    client.destroy();
    return store;
  }
  throw new Error(`moto did not start:\n${said.join('\n')}`);
}
