import type { Selectable } from 'kysely';
import type { AssetsTable, BatchesTable, CollectionsTable } from '../database/schema.ts';
import { derivedOf } from '../jobs/derivation.ts';
import { type Job, resultOf } from '../jobs/job.ts';
import type {
  AssetRecord,
  BatchRecord,
  CollectionRecord,
  ImageFile,
  VideoRecord,
} from './transfer-records.ts';

const time = (at: Date | null) => at?.toISOString() ?? null;

/** All that matters about a job, in words that another installation understands. */
export function videoRecord(job: Job, reference: ImageFile | null): VideoRecord {
  return {
    id: job.id,
    status: job.status,
    name: job.name,
    prompt: job.prompt,
    model: job.model,
    upstreamModel: String(job.plan['upstreamModel'] ?? job.model),
    connection: job.connection,
    seconds: job.seconds,
    width: job.width,
    height: job.height,
    priority: job.priority,
    progress: job.progress,
    tags: job.tags,
    metadata: job.metadata,
    webhookUrl: job.webhook_url,
    reference,
    assetId: job.asset_id,
    batchId: job.batch_id,
    batchIndex: job.batch_index,
    collectionId: job.collection_id,
    parentId: job.parent_id,
    rootId: job.root_id,
    depth: job.depth,
    derivation: job.derivation,
    derived: derivedOf(job) ?? null,
    starred: job.starred,
    pinned: job.pinned,
    error:
      job.error_code === null
        ? null
        : {
            code: job.error_code,
            message: job.error_message,
            retryable: job.error_retryable,
            charged: job.error_charged,
          },
    cancelOutcome: job.cancel_outcome,
    estimatedMicros: job.estimated_micros,
    chargedMicros: job.charged_micros,
    result: (resultOf(job) ?? null) as VideoRecord['result'],
    previews: job.previews,
    createdAt: job.created_at.toISOString(),
    startedAt: time(job.started_at),
    finishedAt: time(job.finished_at),
    trashedAt: time(job.trashed_at),
  };
}

export function collectionRecord({ id, name, created_at }: Selectable<CollectionsTable>): CollectionRecord {
  return { id, name, createdAt: created_at.toISOString() };
}

export function batchRecord(batch: Selectable<BatchesTable>): BatchRecord {
  return {
    id: batch.id,
    name: batch.name,
    webhookUrl: batch.webhook_url,
    createdAt: batch.created_at.toISOString(),
    finishedAt: time(batch.finished_at),
  };
}

export function assetRecord(asset: Selectable<AssetsTable>): AssetRecord {
  return {
    id: asset.id,
    name: asset.name,
    source: asset.source,
    file: {
      key: asset.storage_key,
      sizeBytes: asset.size_bytes,
      sha256: asset.sha256,
      contentType: asset.content_type,
    },
    width: asset.width,
    height: asset.height,
    createdAt: asset.created_at.toISOString(),
    usedAt: asset.used_at.toISOString(),
  };
}
