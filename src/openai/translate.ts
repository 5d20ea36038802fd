import { viewDerivation } from '../jobs/derivation.ts';
import { type Job, type JobStatus, resultOf } from '../jobs/job.ts';
import { sizeText } from '../providers/model.ts';

/** The Video object of OpenAI's format: every key always there. Times are Unix seconds. */
export interface Video {
  id: string;
  object: 'video';
  model: string;
  status: 'queued' | 'in_progress' | 'completed' | 'failed';
  progress: number;
  prompt: string;
  created_at: number;
  completed_at: number | null;
  expires_at: number | null;
  size: string;
  seconds: string;
  remixed_from_video_id: string | null;
  error: { code: string; message: string } | null;
  /** Ours: how it was made from another video. */
  derivation: {
    kind: string;
    parent_id: string;
    root_id: string;
    depth: number;
    by: string | null;
    note: string | null;
  } | null;
  /** Ours: the upstream's own name of the model, where `model` is an alias. */
  upstream_model: string;
}

/** The format has four words: what was cancelled has failed, with a code that says so. */
const STATUSES: Readonly<Record<JobStatus, Video['status']>> = {
  pending: 'queued',
  processing: 'in_progress',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'failed',
};

export function toVideo(job: Job): Video {
  return {
    id: job.id,
    object: 'video',
    model: job.model,
    status: STATUSES[job.status],
    progress: job.progress,
    prompt: job.prompt,
    created_at: unixSeconds(job.created_at),
    completed_at: job.status === 'completed' && job.finished_at ? unixSeconds(job.finished_at) : null,
    expires_at: null,
    size: sizeText(resultOf(job) ?? job),
    seconds: String(job.seconds),
    remixed_from_video_id: job.derivation === 'retry' ? null : job.parent_id,
    error: errorOf(job),
    derivation: derivationOf(job),
    upstream_model: String(job.plan['upstreamModel'] ?? job.model),
  };
}

/** As it is sent. */
export function videoBody(job: Job): string {
  return JSON.stringify(toVideo(job));
}

function derivationOf(job: Job): Video['derivation'] {
  const view = viewDerivation(job);
  if (!view) return null;
  const { kind, parentId, rootId, depth, by, note } = view;
  return { kind, parent_id: parentId, root_id: rootId, depth, by, note };
}

function errorOf(job: Job): Video['error'] {
  if (job.status === 'cancelled') return { code: 'cancelled', message: 'The video was cancelled.' };
  if (job.error_code === null) return null;
  return { code: job.error_code, message: job.error_message ?? '' };
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/** In ms. */
export const POLL_AFTER = { min: 500, max: 5000, usual: 1000 } as const;

/**
 * When asking again is worth it, in ms; undefined once there is nothing to wait for. Clients that read it keep to the
 * first value they see, so it stays moderate.
 */
export function pollAfterMs(job: Job, now: number): number | undefined {
  if (job.status !== 'pending' && job.status !== 'processing') return undefined;
  if (!job.estimated_at) return POLL_AFTER.usual;
  const share = Math.round((job.estimated_at.getTime() - now) / 10);
  return Math.min(POLL_AFTER.max, Math.max(POLL_AFTER.min, share));
}
