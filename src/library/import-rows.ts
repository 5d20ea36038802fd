import { asObject } from '../core/json.ts';
import type { Job, JobResult, StoredFile } from '../jobs/job.ts';
import { newJob } from '../jobs/new-job.ts';
import type { VideoRecord } from './transfer-records.ts';

/** What ids of an export are called here, where that is something else; null: it is not here. */
export interface Renamed {
  /** Ids of videos: as they are, unless somebody else has them. */
  video(id: string): string;
  batch(id: string): string | undefined;
  collection(id: string): string | undefined;
  asset(id: string): string | undefined;
}

/** Whether a row is one that the engine could have written. Says what is wrong, or nothing. */
export function contradiction(row: VideoRecord): string | undefined {
  const isFinished = row.finishedAt !== null;
  const ended = row.status === 'completed' || row.status === 'failed' || row.status === 'cancelled';
  if (isFinished !== ended) return 'finishedAt does not go with its status';
  if ((row.status === 'completed') !== (row.result !== null)) return 'result does not go with its status';
  if ((row.status === 'failed') !== (row.error !== null)) return 'error does not go with its status';
  if ((row.status === 'cancelled') !== (row.cancelOutcome !== null))
    return 'cancelOutcome does not go with its status';
  const places = [row.parentId === null, row.rootId === null, row.derivation === null, row.depth === 0];
  if (new Set(places).size > 1) return 'parentId, rootId, derivation and depth do not go together';
  if ((row.derived === null) !== (row.derivation === null || row.derivation === 'retry'))
    return 'derived does not go with its derivation';
  if (row.parentId === row.id) return 'it cannot be made from itself';
  return (row.batchId === null) === (row.batchIndex === null) ? undefined : 'batchIndex goes with batchId';
}

/** A finished job as it was, with the names and files it has here. */
export function jobOf(
  row: VideoRecord,
  ownerId: string,
  renamed: Renamed,
  files: JobResult['files'] | undefined,
  referenceKey: string | undefined,
  now: Date,
): Job {
  const createdAt = new Date(row.createdAt);
  const batchId = row.batchId === null ? undefined : renamed.batch(row.batchId);
  const time = (text: string | null) => (text === null ? null : new Date(text));
  const result = row.result && files ? { ...row.result, files } : null;
  return {
    ...newJob({
      id: renamed.video(row.id),
      owner_id: ownerId,
      user_id: null,
      api_key_id: null,
      name: row.name,
      priority: row.priority,
      model: row.model,
      connection: row.connection,
      prompt: row.prompt,
      seconds: row.seconds,
      width: row.width,
      height: row.height,
      // Nothing is asked of a provider for it any more: what was asked is not taken over.
      plan: { upstreamModel: row.upstreamModel },
      reference_key: referenceKey ?? null,
      reference_type: referenceKey === undefined ? null : (row.reference?.contentType ?? null),
      tags: row.tags,
      metadata: row.metadata,
      webhook_url: row.webhookUrl,
      estimated_micros: row.estimatedMicros,
      fingerprint: null,
      created_at: createdAt,
    }),
    batch_id: batchId ?? null,
    batch_index: batchId === undefined ? null : row.batchIndex,
    asset_id: (row.assetId && renamed.asset(row.assetId)) ?? null,
    collection_id: (row.collectionId && renamed.collection(row.collectionId)) ?? null,
    parent_id: row.parentId && renamed.video(row.parentId),
    root_id: row.rootId && renamed.video(row.rootId),
    depth: row.depth,
    derivation: row.derivation,
    derived: asObject(row.derived) as Job['derived'],
    starred: row.starred,
    pinned: row.pinned,
    status: row.status,
    stage: 'finished',
    progress: row.status === 'completed' ? 100 : row.progress,
    cancel_outcome: row.cancelOutcome,
    error_code: row.error?.code ?? null,
    error_message: row.error?.message ?? null,
    error_retryable: row.error?.retryable ?? null,
    error_charged: row.error?.charged ?? null,
    charged_micros: row.chargedMicros,
    result: result as Job['result'],
    stored_bytes: storedBytes(files),
    previews: files ? row.previews : 0,
    updated_at: now,
    started_at: time(row.startedAt),
    finished_at: time(row.finishedAt),
    trashed_at: time(row.trashedAt),
    deleted_at: time(row.trashedAt),
    imported_at: now,
  };
}

function storedBytes(files: JobResult['files'] | undefined): number {
  return (Object.values(files ?? {}) as StoredFile[]).reduce((sum, file) => sum + file.sizeBytes, 0);
}
