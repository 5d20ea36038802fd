import { createHash } from 'node:crypto';
import type { Principal } from '../accounts/principal.ts';
import { type Job, resultOf, type StoredFile } from '../jobs/job.ts';
import type { Chunks } from '../storage/storage.ts';
import { assetRecord, batchRecord, collectionRecord, videoRecord } from './export-records.ts';
import type { LibraryParts } from './library.ts';
import { findOwned } from './owned.repository.ts';
import { walk } from './selection.ts';
import { openSpool, type Spool } from './spool.ts';
import { type About, ENTRIES, entryOf, FORMAT, type ImageFile } from './transfer-records.ts';
import { rowsOf } from './transfer.repository.ts';
import { streamZip, type Zip, type ZipOutput } from './zip-stream.ts';

type Kind = 'videos' | 'collections' | 'batches' | 'assets';

interface Run {
  parts: LibraryParts;
  zip: Zip;
  spools: Record<Kind, Spool>;
  /** Files that are shared: written once, with what was found while writing them. */
  shared: Map<string, Pick<StoredFile, 'sizeBytes' | 'sha256'>>;
  missing: About['missing'];
}

/**
 * Everything of the caller as one zip: files first, then the rows that name them, then what there is of each. A row is
 * read just before its files are, so that what is deleted meanwhile is missing in both.
 */
export function exportLibrary(parts: LibraryParts, caller: Principal): ZipOutput {
  return streamZip(
    async (zip) => {
      const spools = await openSpools(parts.tempDir);
      try {
        await fill({ parts, zip, spools, shared: new Map(), missing: [] }, caller);
      } finally {
        for (const spool of Object.values(spools)) await spool.remove();
      }
    },
    (error, gone) => {
      if (!gone) parts.log.error({ err: error }, 'an export broke off');
    },
  );
}

async function openSpools(tempDir: string): Promise<Record<Kind, Spool>> {
  const open = () => openSpool(tempDir);
  return { videos: await open(), collections: await open(), batches: await open(), assets: await open() };
}

async function fill(run: Run, caller: Principal): Promise<void> {
  const { parts, zip, spools } = run;
  const at = new Date(parts.clock.now());
  for await (const asset of rowsOf(parts.db, 'assets', caller.ownerId)) {
    const record = assetRecord(asset);
    if (await addShared(run, record.id, record.file)) await spools.assets.add(record);
  }
  for (const filter of [{}, { trashed: true }]) {
    for await (const { job } of walk(parts, caller, { filter }, Infinity)) if (job) await addJob(run, job);
  }
  // After the videos: what one of them stands in is there.
  for await (const row of rowsOf(parts.db, 'collections', caller.ownerId))
    await spools.collections.add(collectionRecord(row));
  for await (const row of rowsOf(parts.db, 'batches', caller.ownerId))
    await spools.batches.add(batchRecord(row));
  for (const kind of ['collections', 'batches', 'assets', 'videos'] as const) {
    const { sizeBytes, open } = await spools[kind].finish();
    await zip.addFile(ENTRIES[kind], { sizeBytes, at, compress: true }, open);
  }
  const counts = {
    videos: spools.videos.count(),
    collections: spools.collections.count(),
    batches: spools.batches.count(),
    assets: spools.assets.count(),
  };
  const about: About = { ...FORMAT, exportedAt: at.toISOString(), counts, missing: run.missing };
  zip.addText(ENTRIES.about, `${JSON.stringify(about, null, 2)}\n`, at);
}

async function addJob(run: Run, job: Job): Promise<void> {
  const { db, storage } = run.parts;
  for (const file of Object.values(resultOf(job)?.files ?? {}) as StoredFile[]) {
    if ((await storage.size(file.key)) === undefined) {
      // Deleted since its row was read: it is none of this export any more.
      if ((await findOwned(db, job.owner_id, [job.id])).length === 0) return;
      run.missing.push({ id: job.id, key: file.key });
      continue;
    }
    const at = job.finished_at ?? job.created_at;
    await run.zip.addFile(entryOf(file.key), { sizeBytes: file.sizeBytes, at }, () => storage.open(file.key));
  }
  await run.spools.videos.add(videoRecord(job, await referenceOf(run, job)));
}

/** The picture a job starts from; its hash is found while it is written. */
async function referenceOf(run: Run, job: Job): Promise<ImageFile | null> {
  const { reference_key: key, reference_type: contentType } = job;
  if (key === null || contentType === null) return null;
  const facts = await addShared(run, job.id, { key });
  return facts ? { key, contentType: contentType as ImageFile['contentType'], ...facts } : null;
}

/** Adds a file that several rows may name; undefined when it is not there. */
async function addShared(
  { parts: { storage }, zip, shared, missing }: Run,
  id: string,
  { key }: { key: string },
): Promise<Pick<StoredFile, 'sizeBytes' | 'sha256'> | undefined> {
  const known = shared.get(key);
  if (known) return known;
  const sizeBytes = await storage.size(key);
  if (sizeBytes === undefined) {
    missing.push({ id, key });
    return undefined;
  }
  const hash = createHash('sha256');
  const open = async () => hashed(await storage.open(key), (chunk) => hash.update(chunk));
  await zip.addFile(entryOf(key), { sizeBytes, at: new Date(0) }, open);
  const facts = { sizeBytes, sha256: hash.digest('hex') };
  shared.set(key, facts);
  return facts;
}

async function* hashed(chunks: Chunks, look: (chunk: Buffer) => unknown): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    look(chunk);
    yield chunk;
  }
}
