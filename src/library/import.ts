import type { Principal } from '../accounts/principal.ts';
import { FileError, takeImage } from './import-files.ts';
import { type Archive, invalid, openArchive } from './import-archive.ts';
import { findAsset, ownersOf, takeAsset, takeBatch, takeCollection } from './import.repository.ts';
import { fail, idFor, type ImportAnswer, type ImportRun, otherId, startRun } from './import-run.ts';
import { importVideos } from './import-videos.ts';
import type { LibraryParts } from './library.ts';
import { type AssetRecord, ENTRIES, RECORDS } from './transfer-records.ts';

/**
 * Takes over an export: finished videos as they were, with their files checked, and what they belong to. What is there
 * already stays as it is, so that importing twice is importing once. Throws `invalid_import` and changes nothing when the
 * archive is not a whole export.
 */
export async function importLibrary(
  parts: LibraryParts,
  caller: Principal,
  path: string,
): Promise<ImportAnswer> {
  const archive = await openArchive(path, parts.importLimitBytes);
  try {
    await checkWhole(archive);
    const run = startRun(parts, caller.ownerId, archive);
    await importCollections(run);
    await importBatches(run);
    await importAssets(run);
    await importVideos(run);
    return run.answer;
  } finally {
    archive.close();
  }
}

/** Before anything is changed: it says what it is, and has as many rows as it says. */
async function checkWhole(archive: Archive): Promise<void> {
  const about = await archive.json(ENTRIES.about);
  if (about === undefined) throw invalid(`There is no ${ENTRIES.about} in it: this is no export.`);
  if (!RECORDS.about.Check(about)) {
    throw invalid(`Its ${ENTRIES.about} is not one of an export that this release can read.`);
  }
  for (const kind of ['videos', 'collections', 'batches', 'assets'] as const) {
    let rows = 0;
    for await (const row of archive.lines(ENTRIES[kind])) {
      rows += 1;
      if (kind !== 'videos' && !RECORDS[kind].Check(row))
        throw invalid(`${ENTRIES[kind]} has a line that cannot be read: ${rows}.`);
    }
    const expected = about.counts[kind];
    if (rows !== expected) throw invalid(`${ENTRIES[kind]} has ${rows} lines instead of ${expected}.`);
  }
}

async function importCollections({ archive, parts, ownerId, ids, answer }: ImportRun): Promise<void> {
  for await (const row of archive.lines(ENTRIES.collections)) {
    if (!RECORDS.collections.Check(row)) continue;
    const holders = await ownersOf(parts.db, 'collections', [row.id]);
    const id = idFor(ownerId, row.id, holders.get(row.id));
    const taken = await takeCollection(parts.db, ownerId, id, row);
    ids.collections.set(row.id, taken.id);
    if (taken.isNew) answer.collections += 1;
  }
}

async function importBatches({ archive, parts, ownerId, ids, answer }: ImportRun): Promise<void> {
  for await (const row of archive.lines(ENTRIES.batches)) {
    if (!RECORDS.batches.Check(row)) continue;
    const holders = await ownersOf(parts.db, 'batches', [row.id]);
    const id = idFor(ownerId, row.id, holders.get(row.id));
    const isNew = await takeBatch(parts.db, ownerId, id, row, new Date(parts.clock.now()));
    if (isNew) answer.batches += 1;
    // Never one of somebody else's.
    const holder = isNew ? ownerId : (await ownersOf(parts.db, 'batches', [id])).get(id);
    if (holder === ownerId) ids.batches.set(row.id, id);
  }
}

async function importAssets(run: ImportRun): Promise<void> {
  for await (const row of run.archive.lines(ENTRIES.assets)) {
    if (!RECORDS.assets.Check(row)) continue;
    const id = await importAsset(run, row);
    if (id !== undefined) run.ids.assets.set(row.id, id);
  }
}

async function importAsset(run: ImportRun, row: AssetRecord): Promise<string | undefined> {
  const { parts, ownerId, answer } = run;
  const known = await findAsset(parts.db, ownerId, row.file.sha256);
  if (known !== undefined) return known;
  try {
    const key = await takeImage(run, row.file);
    const holders = await ownersOf(parts.db, 'assets', [row.id]);
    const holder = holders.get(row.id);
    // An id of the owner's own stands for another picture here.
    const id = holder === undefined ? row.id : otherId(ownerId, row.id);
    if (await takeAsset(parts.db, ownerId, id, key, row)) answer.assets += 1;
    return await findAsset(parts.db, ownerId, row.file.sha256);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    fail(run, row.id, error.problem, error.message);
    return undefined;
  }
}
