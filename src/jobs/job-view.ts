import { microsToUsd } from '../core/money.ts';
import { sizeText } from '../providers/model.ts';
import { type DerivationView, viewDerivation } from './derivation.ts';
import { type Job, type JobStatus, priorityName, resultOf, type Priority } from './job.ts';

/** A job as the native API shows it. Times are ISO 8601, money is USD. */
export interface JobView {
  jobId: string;
  batchId: string | null;
  name: string | null;
  status: JobStatus;
  progress: number;
  stage: string;
  model: string;
  /** The upstream's own name of the model, where `model` is an alias or a qualified name. */
  upstreamModel: string;
  provider: string;
  prompt: string;
  duration: number;
  resolution: string;
  priority: Priority;
  tags: string[];
  metadata: Record<string, string>;
  /** The video this one was made from, by remix, edit or extend. */
  remixedFrom: string | null;
  /** The failed or cancelled job that this one tries again. */
  retryOf: string | null;
  derivation: DerivationView | null;
  batchIndex: number | null;
  collectionId: string | null;
  starred: boolean;
  pinned: boolean;
  /** The asset it starts from. */
  inputReference: string | null;
  trashedAt: string | null;
  createdAt: string;
  startedAt: string | null;
  completedAt: string | null;
  estimatedCompletionTime: string | null;
  cost: { estimatedUsd: number; chargedUsd: number | null };
  error: { code: string; message: string; retryable: boolean; charged: boolean | null } | null;
  /** What an open job waits for, when that takes long. */
  lastError: { code: string; message: string; at: string } | null;
  /** What came of cancelling it upstream. */
  cancellation: { outcome: NonNullable<Job['cancel_outcome']>; message: string } | null;
  result: ResultView | null;
}

export interface ResultView {
  videoUrl: string;
  thumbnailUrl: string | null;
  spritesheetUrl: string | null;
  /** Animated, for hovering. */
  previewUrl: string | null;
  duration: number;
  resolution: string;
  fileSize: number;
  sha256: string;
  contentType: string;
}

export function viewJob(job: Job): JobView {
  return {
    jobId: job.id,
    batchId: job.batch_id,
    name: job.name,
    status: job.status,
    progress: job.progress,
    stage: job.stage,
    model: job.model,
    upstreamModel: String(job.plan['upstreamModel'] ?? job.model),
    provider: job.connection,
    prompt: job.prompt,
    duration: job.seconds,
    resolution: sizeText(job),
    priority: priorityName(job.priority),
    tags: job.tags,
    metadata: job.metadata,
    remixedFrom: job.derivation === 'retry' ? null : job.parent_id,
    retryOf: job.derivation === 'retry' ? job.parent_id : null,
    derivation: viewDerivation(job),
    batchIndex: job.batch_index,
    collectionId: job.collection_id,
    starred: job.starred,
    pinned: job.pinned,
    inputReference: job.asset_id,
    trashedAt: job.trashed_at?.toISOString() ?? null,
    createdAt: job.created_at.toISOString(),
    startedAt: job.started_at?.toISOString() ?? null,
    completedAt: job.finished_at?.toISOString() ?? null,
    estimatedCompletionTime: job.status === 'processing' ? (job.estimated_at?.toISOString() ?? null) : null,
    cost: {
      estimatedUsd: microsToUsd(job.estimated_micros),
      chargedUsd: job.charged_micros === null ? null : microsToUsd(job.charged_micros),
    },
    error: viewError(job),
    lastError: job.last_error,
    cancellation: job.cancel_outcome && {
      outcome: job.cancel_outcome,
      message: CANCELLATIONS[job.cancel_outcome],
    },
    result: viewResult(job),
  };
}

const CANCELLATIONS = {
  not_started: 'It had not started: nothing was asked of the provider and nothing is charged.',
  cancelled: 'The provider stopped it and charges nothing.',
  cancelled_billed: 'It is cancelled, but the provider charges for it.',
  too_late: 'The provider had finished it already and charges for it.',
  written_off: 'It is cancelled; the provider never answered, and nothing is charged.',
  unknown: 'It is cancelled here; the provider has been asked to stop and has not answered yet.',
} as const;

function viewError(job: Job): JobView['error'] {
  if (job.error_code === null) return null;
  return {
    code: job.error_code,
    message: job.error_message ?? '',
    retryable: job.error_retryable ?? false,
    charged: job.error_charged,
  };
}

/** What a completed job has to show; paths on this server, so that they outlive any provider's links. */
export function viewResult(job: Job): ResultView | null {
  const result = resultOf(job);
  if (!result) return null;
  const { video, thumbnail, spritesheet, preview } = result.files;
  const content = `/api/v1/videos/${job.id}/content`;
  return {
    videoUrl: content,
    thumbnailUrl: thumbnail ? `${content}?variant=thumbnail` : null,
    spritesheetUrl: spritesheet ? `${content}?variant=spritesheet` : null,
    previewUrl: preview ? `${content}?variant=preview` : null,
    duration: result.seconds,
    resolution: sizeText(result),
    fileSize: video.sizeBytes,
    sha256: video.sha256,
    contentType: video.contentType,
  };
}
