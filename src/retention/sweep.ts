import pLimit from 'p-limit';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Database } from '../database/open.ts';
import type { Writer } from '../jobs/write.ts';
import type { Storage, StoredObject } from '../storage/storage.ts';
import { removable } from './orphans.ts';
import { findCompletedAfter, forgetMissing, noteMissing } from './orphans.repository.ts';

export interface SweepParts {
  db: Database;
  write: Writer;
  log: Log;
  storage: Storage;
}

export interface SweepReport {
  files: { seen: number; orphans: number; removed: number; bytes: number; unknown: number };
  /** The first of the orphans. */
  orphans: string[];
  rows: { seen: number; missing: number };
  /** The first of the completed jobs whose video is not in storage. */
  missing: string[];
}

const REFERENCES = 'references/';
/** A file this young may be about to be named by a row; an archive or an import takes far less. */
const GRACE_MS = 24 * 60 * 60_000;
/** Files, or rows, looked at in one go. */
const AT_ONCE = 500;
/** Questions to the storage under way. */
const QUESTIONS = 8;
const LISTED = 100;

/**
 * Compares storage and rows in both directions: removes files under `videos/` and `references/` that no row names, and
 * notes completed jobs whose video is not there. A dry run does neither. In flat memory; a file or two that come or go
 * meanwhile are a matter for the next sweep.
 */
export async function sweep(
  parts: SweepParts,
  options: { now: number; dryRun: boolean; signal: AbortSignal },
): Promise<SweepReport> {
  const report: SweepReport = {
    files: { seen: 0, orphans: 0, removed: 0, bytes: 0, unknown: 0 },
    orphans: [],
    rows: { seen: 0, missing: 0 },
    missing: [],
  };
  // A store that does not answer has nothing to say about what is missing.
  await parts.storage.check();
  const before = options.now - GRACE_MS;
  for (const prefix of ['videos/', REFERENCES]) {
    let batch: StoredObject[] = [];
    for await (const object of parts.storage.list(prefix)) {
      if (options.signal.aborted) return report;
      report.files.seen += 1;
      if (object.modifiedAt.getTime() <= before) batch.push(object);
      if (batch.length < AT_ONCE) continue;
      await sweepFiles(parts, batch, { ...options, before }, report);
      batch = [];
    }
    await sweepFiles(parts, batch, { ...options, before }, report);
  }
  await sweepRows(parts, options, report);
  return report;
}

async function sweepFiles(
  parts: SweepParts,
  batch: readonly StoredObject[],
  { before, dryRun }: { before: number; dryRun: boolean },
  report: SweepReport,
): Promise<void> {
  const keys = batch.map(({ key }) => key);
  const { orphans, unknown } = await removable(parts.db, keys);
  report.files.unknown += unknown.length;
  for (const { key, sizeBytes } of batch.filter((object) => orphans.has(object.key))) {
    report.files.orphans += 1;
    report.files.bytes += sizeBytes;
    if (report.orphans.length < LISTED) report.orphans.push(key);
    if (dryRun) continue;
    if (!(await isStill(parts, key, before))) continue;
    const failure = await parts.storage.remove(key).then(
      () => undefined,
      (error: unknown) => errorText(error),
    );
    if (failure !== undefined) parts.log.warn({ key, error: failure }, 'an orphan could not be removed');
    else report.files.removed += 1;
    parts.log.debug({ key, bytes: sizeBytes }, 'a file that no row names');
  }
}

/**
 * Asked again right before the removal, since rows may have changed since the batch was looked at. An image that was
 * stored anew meanwhile is about to be named; a video's files have names of their own each time.
 */
async function isStill({ db, storage }: SweepParts, key: string, before: number): Promise<boolean> {
  if (key.startsWith(REFERENCES)) {
    for await (const object of storage.list(key)) {
      if (object.key === key && object.modifiedAt.getTime() > before) return false;
    }
  }
  return (await removable(db, [key])).orphans.has(key);
}

async function sweepRows(
  parts: SweepParts,
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal },
  report: SweepReport,
): Promise<void> {
  const limit = pLimit(QUESTIONS);
  for (let after = ''; !signal.aborted;) {
    const rows = await findCompletedAfter(parts.db, after, AT_ONCE);
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
    report.rows.seen += rows.length;
    const sizes = await Promise.all(rows.map(({ key }) => limit(() => parts.storage.size(key))));
    for (const [index, { id, key, previews }] of rows.entries()) {
      if (sizes[index] === undefined) await reportMissing(parts, id, key, dryRun, report);
      else if (previews === -1 && !dryRun) await parts.write((write) => forgetMissing(write, id));
    }
  }
}

async function reportMissing(
  parts: SweepParts,
  jobId: string,
  key: string,
  dryRun: boolean,
  report: SweepReport,
): Promise<void> {
  if (!dryRun) {
    const noted = await parts.write((write) => noteMissing(write, jobId, key));
    if (noted === 'gone') return;
    if (noted === 'noted') parts.log.error({ jobId, key }, 'the file of a completed video is missing');
  }
  report.rows.missing += 1;
  if (report.missing.length < LISTED) report.missing.push(jobId);
}
