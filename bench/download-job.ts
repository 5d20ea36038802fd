import type { Client } from 'pg';
import { newId } from '../src/core/ids.ts';

/** A completed job of the admin whose file is as large as told; the caller puts it there. */
export async function insertFinishedJob(
  client: Client,
  sizeBytes: number,
): Promise<{ path: string; key: string }> {
  const { rows } = await client.query<{ id: string }>(`select id from users where role = 'admin'`);
  const id = newId('video');
  const key = `videos/${id.slice(-2)}/${id}/video.mp4`;
  const video = { key, sizeBytes, sha256: '0'.repeat(64), contentType: 'video/mp4' };
  const result = { seconds: 8, width: 1280, height: 720, codec: 'avc', hasAudio: false, files: { video } };
  await client.query(
    `insert into jobs (id, owner_id, status, stage, progress, model, connection, prompt, seconds, width, height, plan,
       due_at, result, created_at, updated_at, started_at, finished_at)
     values ($1, $2, 'completed', 'finished', 100, 'simulator', 'simulator', 'a long video', 8, 1280, 720, '{}',
       now(), $3, now(), now(), now(), now())`,
    [id, rows[0]?.id, JSON.stringify(result)],
  );
  return { path: `/api/v1/videos/${id}/content`, key };
}
