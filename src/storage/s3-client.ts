import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { Secret } from '../core/secret.ts';

export interface S3Options {
  bucket: string;
  region: string;
  /** Where an S3-compatible store is reached; undefined: Amazon's address for the region. */
  endpoint: string | undefined;
  /** What every key begins with, without slashes at its ends; '' for nothing. */
  prefix: string;
  /** Undefined: what the SDK finds by itself, such as the role of the machine. */
  credentials: S3Credentials | undefined;
}

export interface S3Credentials {
  accessKeyId: Secret;
  secretAccessKey: Secret;
  /** Goes with keys that are valid for a while only. */
  sessionToken: Secret | undefined;
}

/** Tries of one request, the first included. All of ours may be repeated: they write whole objects and parts. */
const MAX_ATTEMPTS = 4;
const CONNECT_TIMEOUT_MS = 5000;
/** From the first byte of a request to the head of its answer: a part has to be sent in this time. */
const ANSWER_TIMEOUT_MS = 120_000;
/** Longest silence of a connection; also ends the one behind a download whose reader has paused. */
const SILENCE_TIMEOUT_MS = 60_000;
/** Downloads hold a connection each; with the SDK's 50 a few dozen of them would keep uploads waiting. */
const MAX_CONNECTIONS = 512;

/**
 * A client for Amazon S3 or a store that is compatible with it. The SDK brings its own connections, past
 * `core/outbound.ts`: they lead to the one address that the operator has set.
 */
export function createS3Client({ region, endpoint, credentials }: S3Options): S3Client {
  const agent = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
  const config: S3ClientConfig = {
    region,
    maxAttempts: MAX_ATTEMPTS,
    // The SDK's newer checksums (CRC32, sent as a trailer of a body in aws-chunked framing) are refused by some stores
    // and stored as part of the object by others. What every store checks is the SHA-256 of the body that each signature
    // covers; the SDK signs it for bodies in memory, which is what the parts of an upload are.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: ANSWER_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: SILENCE_TIMEOUT_MS,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
  // Path style, since a store of one's own rarely has a host name for every bucket.
  if (endpoint !== undefined) Object.assign(config, { endpoint, forcePathStyle: true });
  if (credentials) config.credentials = async () => revealed(credentials);
  return new S3Client(config);
}

function revealed({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) {
  return {
    accessKeyId: accessKeyId.reveal(),
    secretAccessKey: secretAccessKey.reveal(),
    ...(sessionToken ? { sessionToken: sessionToken.reveal() } : {}),
  };
}

/** The status of an answer that the SDK turned into an error; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}
