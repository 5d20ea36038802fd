import type { Job } from '../jobs/job.ts';
import { FileError, filesOf, removeFiles, takeFiles, takeImage } from './import-files.ts';
import { insertFinished, ownersOf } from './import.repository.ts';
import { contradiction, jobOf, type Renamed } from './import-rows.ts';
import { fail, idFor, type ImportRun } from './import-run.ts';
import { ENTRIES, RECORDS, type VideoRecord } from './transfer-records.ts';

/** Rows of one transaction; their files are in storage before it begins. */
const CHUNK = 100;

/** Brings the videos of an export in, some at a time: their files first, then their rows. */
export async function importVideos(run: ImportRun): Promise<void> {
  let chunk: VideoRecord[] = [];
  let line = 0;
  for await (const value of run.archive.lines(ENTRIES.videos)) {
    line += 1;
    const row = readRow(run, value, line);
    if (row) chunk.push(row);
    if (chunk.length < CHUNK) continue;
    await importChunk(run, chunk);
    chunk = [];
  }
  await importChunk(run, chunk);
}

function readRow(
  run: ImportRun,
  value: Record<string, unknown> | undefined,
  line: number,
): VideoRecord | undefined {
  if (!RECORDS.videos.Check(value)) {
    const id = typeof value?.['id'] === 'string' ? value['id'].slice(0, 100) : `line ${line}`;
    const [error] = RECORDS.videos.Errors(value);
    fail(run, id, 'invalid_row', `${error?.instancePath ?? ''} ${error?.message ?? 'is no video'}`.trim());
    return undefined;
  }
  const wrong = contradiction(value);
  if (wrong !== undefined) {
    fail(run, value.id, 'invalid_row', wrong);
    return undefined;
  }
  if (value.finishedAt === null || value.cancelOutcome === 'unknown') {
    fail(run, value.id, 'job_not_finished', 'It was still open when the export was made.');
    return undefined;
  }
  return value;
}

async function importChunk(run: ImportRun, rows: readonly VideoRecord[]): Promise<void> {
  const { ownerId, ids } = run;
  const { db } = run.parts;
  const named = rows.flatMap(({ id, parentId, rootId }) => [id, parentId ?? id, rootId ?? id]);
  const holders = await ownersOf(db, 'jobs', named);
  const video = (id: string) => idFor(ownerId, id, holders.get(id));
  const here = await ownersOf(
    db,
    'jobs',
    rows.map(({ id }) => video(id)),
  );
  const renamed: Renamed = {
    video,
    batch: (id) => ids.batches.get(id),
    collection: (id) => ids.collections.get(id),
    asset: (id) => ids.assets.get(id),
  };
  const ready = new Map<string, Job>();
  try {
    for (const row of rows) {
      const id = video(row.id);
      const holder = here.get(id);
      if (holder === ownerId || ready.has(id)) run.answer.skipped += 1;
      else if (holder !== undefined) fail(run, row.id, 'id_taken', 'Its id cannot be used here.');
      else await prepare(run, row, id, renamed, ready);
    }
    await insertAll(run, [...ready.values()]);
  } finally {
    // What has no row by now is nobody's; those that have one are not in the list any more.
    for (const job of ready.values()) await removeFiles(run, filesOf(job));
  }

  async function insertAll(run: ImportRun, jobs: readonly Job[]): Promise<void> {
    if (jobs.length === 0) return;
    const inserted = await run.parts
      .write((write) => insertFinished(write, jobs))
      .catch((error: unknown) => {
        if (isDataError(error)) return undefined;
        // Whether it was committed is not known: then the files stay.
        ready.clear();
        throw error;
      });
    if (inserted) {
      run.answer.imported += inserted.size;
      run.answer.skipped += jobs.length - inserted.size;
      for (const id of inserted) ready.delete(id);
    } else if (jobs.length > 1) {
      for (const job of jobs) await insertAll(run, [job]);
    } else {
      for (const { id } of jobs) fail(run, id, 'invalid_row', 'The database cannot keep it.');
    }
  }
}

/** Puts the files of a row into storage, and the row with those that are to be inserted. */
async function prepare(
  run: ImportRun,
  row: VideoRecord,
  id: string,
  renamed: Renamed,
  ready: Map<string, Job>,
): Promise<void> {
  try {
    const referenceKey = row.reference ? await takeImage(run, row.reference) : undefined;
    const files = await takeFiles(run, row, id);
    const now = new Date(run.parts.clock.now());
    ready.set(id, jobOf(row, run.ownerId, renamed, files, referenceKey, now));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    fail(run, row.id, error.problem, error.message);
  }
}

/** SQLSTATE classes 22 and 23: what the row says cannot be kept. */
function isDataError(error: unknown): boolean {
  return /^2[23]/.test(String((error as { code?: unknown }).code));
}
