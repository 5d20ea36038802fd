import { join, resolve } from 'node:path';
import type { Settings } from './settings.ts';
import type { StorageConfig } from './storage/open-storage.ts';

/** Where files are kept, out of the settings; adds what is wrong with them to `problems`. */
export function readStorageConfig(settings: Settings, problems: string[]): StorageConfig {
  const { STORAGE_PROVIDER: provider, S3_BUCKET: bucket, S3_DOWNLOADS: downloads } = settings;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = settings;
  if (provider === 's3' && bucket === undefined) problems.push('STORAGE_PROVIDER=s3 needs S3_BUCKET.');
  if (provider !== 's3' && downloads === 'links') {
    problems.push('S3_DOWNLOADS=links needs STORAGE_PROVIDER=s3: nobody else can read local files.');
  }
  const usesS3 = provider === 's3' || bucket !== undefined;
  // Without S3 they may be there for anything: what others use them for is no problem of ours.
  if (usesS3 && (accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    problems.push('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both or neither.');
  }
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId, secretAccessKey, sessionToken: settings.AWS_SESSION_TOKEN }
      : undefined;
  return {
    provider,
    folder: join(resolve(settings.DATA_DIR), 'storage'),
    s3:
      bucket === undefined
        ? undefined
        : {
            bucket,
            region: settings.S3_REGION,
            endpoint: settings.S3_ENDPOINT,
            prefix: settings.S3_PREFIX,
            credentials,
          },
    linkSeconds: downloads === 'links' ? settings.S3_LINK_SECONDS : undefined,
  };
}
