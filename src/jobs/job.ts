import type { Selectable } from 'kysely';
import type { JobsTable } from '../database/schema.ts';

/** A user's request for one video, as it is stored. */
export type Job = Selectable<JobsTable>;

/** The five states that users see. */
export type JobStatus = Job['status'];

export const JOB_STATUSES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;

/**
 * Where exactly a job stands.
 * - `queued` (pending): waits for a free place on its connection.
 * - `submitting`: an attempt is being offered to the upstream.
 * - `unconfirmed`: nobody knows yet whether the upstream took it.
 * - `needs_attention`: that could not be found out; an operator decides.
 * - `rendering`: the upstream works on it.
 * - `archiving`: the upstream is done; the file is being copied and checked.
 * - `finished`: completed, failed or cancelled.
 */
export type JobStage =
  'queued' | 'submitting' | 'unconfirmed' | 'needs_attention' | 'rendering' | 'archiving' | 'finished';

interface Position {
  status: JobStatus;
  stage: JobStage;
}

interface Move {
  from: readonly JobStage[];
  to: Position;
  /** The event written with it. */
  event: `job.${string}`;
}

const PENDING: readonly JobStage[] = ['queued'];
const PROCESSING = ['submitting', 'unconfirmed', 'needs_attention', 'rendering', 'archiving'] as const;
const OPEN: readonly JobStage[] = [...PENDING, ...PROCESSING];

/**
 * Every arrow there is. The writer (`moveJob`) knows no other way to change a status or a stage; a trigger in the
 * database holds the same table of statuses for everybody else.
 */
export const MOVES = {
  /** It is its turn: an attempt is intended. */
  admit: { from: PENDING, to: { status: 'processing', stage: 'submitting' }, event: 'job.started' },
  /** The upstream surely did not take it: back to the queue for a later turn. */
  requeue: {
    from: ['submitting', 'unconfirmed', 'needs_attention'],
    to: { status: 'pending', stage: 'queued' },
    event: 'job.requeued',
  },
  /** The upstream took it. */
  accept: {
    from: ['submitting', 'unconfirmed', 'needs_attention'],
    to: { status: 'processing', stage: 'rendering' },
    event: 'job.accepted',
  },
  /** The answer to the paid call was lost. */
  doubt: {
    from: ['submitting'],
    to: { status: 'processing', stage: 'unconfirmed' },
    event: 'job.unconfirmed',
  },
  /** It could not be found out what became of the call. */
  alert: {
    from: ['unconfirmed'],
    to: { status: 'processing', stage: 'needs_attention' },
    event: 'job.needs_attention',
  },
  /** The upstream has finished. */
  archive: {
    from: ['rendering'],
    to: { status: 'processing', stage: 'archiving' },
    event: 'job.rendered',
  },
  complete: {
    from: ['archiving'],
    to: { status: 'completed', stage: 'finished' },
    event: 'job.completed',
  },
  fail: { from: OPEN, to: { status: 'failed', stage: 'finished' }, event: 'job.failed' },
  cancel: { from: OPEN, to: { status: 'cancelled', stage: 'finished' }, event: 'job.cancelled' },
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof MOVES;

/** The status that a stage belongs to while the job is open. */
function statusOf(stage: JobStage): JobStatus {
  return stage === 'queued' ? 'pending' : 'processing';
}

/** Which status may follow which; derived from the moves. */
export const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = Object.fromEntries(
  JOB_STATUSES.map((status) => {
    const next = Object.values(MOVES)
      .filter((move) => move.from.some((stage: JobStage) => statusOf(stage) === status))
      .map((move) => move.to.status)
      .filter((to) => to !== status);
    return [status, [...new Set(next)]];
  }),
) as Record<JobStatus, JobStatus[]>;

export function isFinal(status: JobStatus): boolean {
  return TRANSITIONS[status].length === 0;
}

export const PRIORITIES = { low: -1, normal: 0, high: 1 } as const;

export type Priority = keyof typeof PRIORITIES;

export function priorityName(value: number): Priority {
  return value < 0 ? 'low' : value > 0 ? 'high' : 'normal';
}

/** One file of a finished video in storage. */
export interface StoredFile {
  key: string;
  sizeBytes: number;
  sha256: string;
  contentType: string;
}

/** A finished video's files by variant. */
export interface JobFiles {
  video: StoredFile;
  thumbnail?: StoredFile;
  spritesheet?: StoredFile;
  /** Animated, for hovering. */
  preview?: StoredFile;
}

/** What `jobs.result` holds once a job is completed. */
export interface JobResult {
  seconds: number;
  width: number;
  height: number;
  codec: string;
  hasAudio: boolean;
  files: JobFiles;
}

/** Bytes of all files of a video. */
export function bytesOf(files: Partial<JobFiles>): number {
  return Object.values(files).reduce((sum: number, file: StoredFile) => sum + file.sizeBytes, 0);
}

export function resultOf(job: Job): JobResult | undefined {
  return (job.result ?? undefined) as JobResult | undefined;
}

/** `video_….mp4`, `video_…-thumbnail.webp`. */
export function filenameOf(jobId: string, key: string): string {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return name.startsWith('video.') ? `${jobId}${name.slice('video'.length)}` : `${jobId}-${name}`;
}
