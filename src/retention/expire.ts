import { removeFiles } from '../jobs/discard.ts';
import type { Writer } from '../jobs/write.ts';
import type { Database } from '../database/open.ts';
import type { Log } from '../core/log.ts';
import type { Storage } from '../storage/storage.ts';
import { deleteIdleAssets } from './assets.repository.ts';
import { deleteDue, type DueVideo, findDue } from './due.repository.ts';
import type { RetentionRules, VideoRule } from './rules.ts';

export interface ExpireParts {
  db: Database;
  write: Writer;
  log: Log;
  storage: Storage;
  rules: RetentionRules;
}

export type DeletedSums = Record<VideoRule | 'assets', { count: number; bytes: number }>;

/** Rows of one transaction: others wait for them only for a moment. */
const ROWS = 100;
/** Videos looked up at once. */
const FOUND = 1000;

/**
 * Deletes for good what the rules no longer keep: rows first, with their events, then files. A file whose row is gone is
 * an orphan at worst, and the sweep's business; a row whose file is gone would be a lie. Goes on where a former round
 * was cut off, since nothing but the rows says what is left to do.
 */
export async function expire(parts: ExpireParts, now: Date, signal: AbortSignal): Promise<DeletedSums> {
  const sums: DeletedSums = { trash: none(), tag: none(), age: none(), bytes: none(), assets: none() };
  for (let more = true; more && !signal.aborted;) {
    const found = await findDue(parts.db, parts.rules, now, FOUND);
    more = false;
    for (let start = 0; start < found.length && !signal.aborted; start += ROWS) {
      // What somebody else is changing right now is left for the next round: else this one might never end.
      if (await deleteVideos(parts, found.slice(start, start + ROWS), now, sums))
        more = found.length === FOUND;
    }
  }
  while (!signal.aborted && (await deleteAssets(parts, now, sums))) {
    // On with the next hundred.
  }
  return sums;
}

function none() {
  return { count: 0, bytes: 0 };
}

/** Whether any was deleted. */
async function deleteVideos(
  parts: ExpireParts,
  videos: readonly DueVideo[],
  now: Date,
  sums: DeletedSums,
): Promise<boolean> {
  const deleted = await parts.write((write) => deleteDue({ ...write, now }, videos, parts.rules));
  for (const { id, rule, storedBytes, result } of deleted) {
    sums[rule].count += 1;
    sums[rule].bytes += storedBytes;
    parts.log.debug({ jobId: id, rule, bytes: storedBytes }, 'a video has expired');
    await removeFiles(parts, Object.values(result?.files ?? {}));
  }
  return deleted.length > 0;
}

/** Rows only: who is just now taking the same image counts on its file. Unnamed, it is the sweep's. */
async function deleteAssets(parts: ExpireParts, now: Date, sums: DeletedSums): Promise<boolean> {
  const { rules } = parts;
  const deleted = await parts.write((write) => deleteIdleAssets(write.tx, rules.assetDays, now, ROWS));
  for (const { id, sizeBytes } of deleted) {
    sums.assets.count += 1;
    sums.assets.bytes += sizeBytes;
    parts.log.debug({ assetId: id, bytes: sizeBytes }, 'a reference image has expired');
  }
  return deleted.length > 0;
}
