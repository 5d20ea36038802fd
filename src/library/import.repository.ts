import { sql } from 'kysely';
import type { Db } from '../database/open.ts';
import { appendEvents } from '../events/events.repository.ts';
import type { Job } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';
import type { AssetRecord, BatchRecord, CollectionRecord } from './transfer-records.ts';

/** Who has these ids; what nobody has is not in the answer. */
export async function ownersOf(
  db: Db,
  table: 'jobs' | 'batches' | 'assets' | 'collections',
  ids: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await sql<{ id: string; owner_id: string }>`
    select id, owner_id from ${sql.table(table)} where id = any(${[...ids]}::text[])`.execute(db);
  return new Map(rows.map((row) => [row.id, row.owner_id]));
}

/** The id that the owner's collection of that name has, and whether it is a new one. */
export async function takeCollection(
  db: Db,
  ownerId: string,
  id: string,
  { name, createdAt }: CollectionRecord,
): Promise<{ id: string; isNew: boolean }> {
  const inserted = await db
    .insertInto('collections')
    .values({ id, owner_id: ownerId, name, created_at: new Date(createdAt) })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (inserted) return { id, isNew: true };
  const known = await db
    .selectFrom('collections')
    .select('id')
    .where('owner_id', '=', ownerId)
    .where((eb) => eb.or([eb('id', '=', id), eb(sql`lower(name)`, '=', sql<string>`lower(${name})`)]))
    .orderBy(sql`id <> ${id}`)
    .executeTakeFirstOrThrow();
  return { id: known.id, isNew: false };
}

/** True when it was not there. A batch that was open when it was exported has ended: nothing goes on in it here. */
export async function takeBatch(
  db: Db,
  ownerId: string,
  id: string,
  batch: BatchRecord,
  now: Date,
): Promise<boolean> {
  const inserted = await db
    .insertInto('batches')
    .values({
      id,
      owner_id: ownerId,
      name: batch.name,
      webhook_url: batch.webhookUrl,
      created_at: new Date(batch.createdAt),
      finished_at: batch.finishedAt === null ? now : new Date(batch.finishedAt),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** The id of the owner's asset of that content, if there is one. */
export async function findAsset(db: Db, ownerId: string, sha256: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('assets')
    .select('id')
    .where('owner_id', '=', ownerId)
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  return row?.id;
}

/** True when it was not there. Its file is in storage already. */
export async function takeAsset(
  db: Db,
  ownerId: string,
  id: string,
  storageKey: string,
  asset: AssetRecord,
): Promise<boolean> {
  const inserted = await db
    .insertInto('assets')
    .values({
      id,
      owner_id: ownerId,
      name: asset.name,
      source: asset.source,
      storage_key: storageKey,
      content_type: asset.file.contentType,
      width: asset.width,
      height: asset.height,
      size_bytes: asset.file.sizeBytes,
      sha256: asset.file.sha256,
      created_at: new Date(asset.createdAt),
      used_at: new Date(asset.usedAt),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** Inserts finished jobs as they are, each with an event. Returns the ids of those that were not there. */
export async function insertFinished(write: Write, jobs: readonly Job[]): Promise<Set<string>> {
  const [first] = jobs;
  if (!first) return new Set();
  const { search: _search, fingerprint: _fingerprint, ...columns } = first;
  const names = Object.keys(columns).map((name) => sql.ref(name));
  const { rows } = await sql<{ id: string }>`
    insert into jobs (${sql.join(names)})
    select ${sql.join(names)} from json_populate_recordset(null::jobs, ${JSON.stringify(jobs)}::json)
    on conflict (id) do nothing returning id`.execute(write.tx);
  const inserted = new Set(rows.map(({ id }) => id));
  const fresh = jobs.filter(({ id }) => inserted.has(id));
  await appendEvents(
    write.tx,
    fresh.map((job) => ({
      ownerId: job.owner_id,
      jobId: job.id,
      batchId: job.batch_id,
      type: 'job.imported',
      at: write.now,
    })),
  );
  return inserted;
}
