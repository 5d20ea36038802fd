import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { onTestFinished } from 'vitest';
import { insertUser } from '../src/accounts/accounts.repository.ts';
import { newId } from '../src/core/ids.ts';
import { type Database, openDatabase } from '../src/database/open.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { createTestDatabase } from '../src/database/testing.ts';
import type { JobFiles } from '../src/jobs/job.ts';
import { createWriter } from '../src/jobs/write.ts';
import { createQueue } from '../src/queue/queue.ts';
import { createRetention, type Retention } from '../src/retention/retention.ts';
import { DAY_MS, parseTagRules, type RetentionRules } from '../src/retention/rules.ts';
import { openLocalStorage } from '../src/storage/local-storage.ts';
import { temporaryFolder } from '../src/storage/storage-contract.ts';
import { createTestClock } from './test-clock.ts';

export type Stage = Awaited<ReturnType<typeof createStage>>;

/** What is said of a video when it is put on the stage; the rest is a completed video of one file. */
export interface StagedVideo {
  ageDays?: number;
  importedDays?: number;
  trashedDays?: number;
  bytes?: number;
  tags?: string[];
  pinned?: boolean;
  status?: 'pending' | 'completed' | 'failed' | 'cancelled';
  awaitsAnswer?: boolean;
  parentId?: string;
  previews?: number;
  referenceKey?: string;
}

export function rulesOf(rules: Partial<Omit<RetentionRules, 'tags'>> & { tags?: string }): RetentionRules {
  const limits = { days: Infinity, maxBytes: Infinity, trashDays: 30, assetDays: 30 };
  return { ...limits, ...rules, tags: parseTagRules(rules.tags ?? '') };
}

/** Rows and files without an app around them: retention needs no engine. */
export async function createStage() {
  const { url, db, drop } = await createTestDatabase();
  const folder = await temporaryFolder();
  const storageDir = join(folder, 'storage');
  const storage = await openLocalStorage(storageDir);
  const clock = createTestClock();
  const ownerId = await insertUser(db, { name: 'owner', role: 'user' }, new Date(clock.now()));
  const pools: Database[] = [];
  onTestFinished(async () => {
    for (const pool of pools) await pool.destroy();
    await drop();
  });
  const ago = (days: number) => new Date(clock.now() - days * DAY_MS);

  /** A file of some bytes, as old as said. */
  async function put(key: string, { bytes = 10, ageDays = 3 } = {}): Promise<string> {
    const file = join(storageDir, key);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, Buffer.alloc(bytes));
    await utimes(file, ago(ageDays), ago(ageDays));
    return key;
  }

  async function addVideo(video: StagedVideo = {}): Promise<string> {
    const { status = 'completed', ageDays = 1, bytes = 10 } = video;
    const id = newId('video');
    const key = `videos/${id.slice(-2)}/${id}/run/video.mp4`;
    const files: JobFiles = { video: { key, sizeBytes: bytes, sha256: '00', contentType: 'video/mp4' } };
    const done = status === 'completed';
    if (done) await put(key, { bytes: Math.min(bytes, 10), ageDays });
    const at = ago(ageDays);
    const shape = { seconds: 1, width: 64, height: 64 };
    await db
      .insertInto('jobs')
      .values({
        ...shape,
        id,
        owner_id: ownerId,
        status,
        stage: status === 'pending' ? 'queued' : 'finished',
        progress: done ? 100 : 0,
        model: 'simulator',
        connection: 'simulator',
        prompt: 'a boat',
        plan: '{}',
        due_at: at,
        created_at: at,
        updated_at: at,
        finished_at: status === 'pending' ? null : at,
        imported_at: video.importedDays === undefined ? null : ago(video.importedDays),
        trashed_at: video.trashedDays === undefined ? null : ago(video.trashedDays),
        deleted_at: video.trashedDays === undefined ? null : ago(video.trashedDays),
        pinned: video.pinned ?? false,
        tags: video.tags ?? [],
        previews: video.previews ?? 1,
        reference_key: video.referenceKey ?? null,
        stored_bytes: done ? bytes : 0,
        error_code: status === 'failed' ? 'moderated' : null,
        cancel_outcome: status === 'cancelled' ? (video.awaitsAnswer ? 'unknown' : 'not_started') : null,
        result: done ? JSON.stringify({ ...shape, codec: 'avc', hasAudio: false, files }) : null,
        ...(video.parentId
          ? { parent_id: video.parentId, root_id: video.parentId, depth: 1, derivation: 'retry' }
          : {}),
      })
      .execute();
    return id;
  }

  /** Retention as one process has it, with connections of its own. */
  function process(rules: RetentionRules) {
    const options = { maxConnections: 4, log: silentLog, slowQueryMs: 60_000, applicationName: 'test' };
    const pool = openDatabase({ url, ...options });
    pools.push(pool);
    // Never started: nothing here sends a task.
    const queue = createQueue({ url, log: silentLog, clock });
    const write = createWriter({ db: pool, queue, clock, onCommit: () => {} });
    const parts = { db: pool, write, log: silentLog, storage, clock, rules };
    return { ...parts, retention: createRetention(parts) };
  }

  return {
    db,
    url,
    folder,
    storageDir,
    storage,
    clock,
    ownerId,
    ago,
    put,
    addVideo,
    process,
    retention: (rules: Parameters<typeof rulesOf>[0]): Retention => process(rulesOf(rules)).retention,
    /** All videos, the open ones too, which may not be deleted. */
    async clear(): Promise<void> {
      await sql`truncate jobs cascade`.execute(db);
    },
    async ids(): Promise<string[]> {
      return (await db.selectFrom('jobs').select('id').orderBy('id').execute()).map(({ id }) => id);
    },
    async keys(): Promise<string[]> {
      const keys: string[] = [];
      for await (const { key } of storage.list('')) keys.push(key);
      return keys.sort();
    },
    events: (type: string) =>
      db.selectFrom('events').selectAll().where('type', '=', type).orderBy('id').execute(),
  };
}

export const SIGNAL = new AbortController().signal;
