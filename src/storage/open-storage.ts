import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { openLocalStorage } from './local-storage.ts';
import type { S3Options } from './s3-client.ts';
import { explainS3 } from './s3-problem.ts';
import { StorageStartError } from './start-error.ts';
import type { Storage } from './storage.ts';

export type StorageProvider = 'local' | 's3';

export interface StorageConfig {
  provider: StorageProvider;
  /** Of local storage. */
  folder: string;
  s3: S3Options | undefined;
  /** How long a signed link is valid; undefined: no links, files pass through the server. */
  linkSeconds: number | undefined;
}

/** An upload that is this old belongs to a process that was killed. */
const UNFINISHED_MS = 24 * 60 * 60_000;

/** Opens the storage of the settings, or the other one, and asks whether it works. Throws `StorageStartError`. */
export async function openStorage(
  config: StorageConfig,
  { log, clock }: { log: Log; clock: Clock },
  provider: StorageProvider = config.provider,
): Promise<Storage> {
  if (provider === 'local') return openLocalStorage(config.folder);
  if (!config.s3) throw new StorageStartError('The storage s3 needs S3_BUCKET.');
  // Loaded only where it is used: the SDK takes time and memory that local storage has no need of.
  const { createS3Storage } = await import('./s3-storage.ts');
  const storage = createS3Storage(config.s3);
  try {
    await storage.check();
  } catch (error) {
    storage.close?.();
    throw new StorageStartError(explainS3(error, config.s3), error);
  }
  const before = new Date(clock.now() - UNFINISHED_MS);
  await storage.removeUnfinished?.(before).then(
    (removed) =>
      removed > 0 && log.info({ removed }, 'removed the parts of uploads that were never finished'),
    // Keys that may not list uploads do for everything else.
    (error: unknown) => log.info({ error: errorText(error) }, 'cannot look for unfinished uploads'),
  );
  return storage;
}
