import { microsToUsd } from '../core/money.ts';
import type { Job } from '../jobs/job.ts';
import { type JobView, viewJob } from '../jobs/job-view.ts';
import { sizeText } from '../providers/model.ts';
import type { Batch, BatchStatus, BatchSummary } from './batch.ts';

/** A batch as the API shows it. */
export interface BatchView {
  batchId: string;
  name: string | null;
  status: BatchStatus;
  progress: {
    total: number;
    pending: number;
    processing: number;
    completed: number;
    failed: number;
    cancelled: number;
    percentage: number;
  };
  jobs?: JobView[];
  jobIds?: string[];
  jobsUrl: string;
  createdAt: string;
  completedAt: string | null;
  cost: { estimatedUsd: number; chargedUsd: number };
}

export function viewBatch(
  batch: BatchSummary,
  items: { jobs?: JobView[]; jobIds?: string[] } = {},
): BatchView {
  const { total, pending, processing, completed, failed, cancelled, percentage } = batch;
  return {
    batchId: batch.id,
    name: batch.name,
    status: batch.status,
    progress: { total, pending, processing, completed, failed, cancelled, percentage },
    ...items,
    jobsUrl: `/api/v1/videos?batchId=${batch.id}`,
    createdAt: batch.created_at.toISOString(),
    completedAt: batch.finished_at?.toISOString() ?? null,
    cost: {
      estimatedUsd: microsToUsd(batch.estimated_micros),
      chargedUsd: microsToUsd(batch.charged_micros),
    },
  };
}

/** The answer to a request that created jobs of a batch. */
export function createdBody({ id, name }: Pick<Batch, 'id' | 'name'>, jobs: readonly Job[]): string {
  const data = {
    batchId: id,
    name,
    jobIds: jobs.map((job) => job.id),
    total: jobs.length,
    jobs: jobs.map(viewJob),
    cost: estimateOf(jobs),
  };
  return JSON.stringify({ success: true, data });
}

/** What jobs that are stored nowhere would be and cost. */
export function viewDryRun(jobs: readonly Job[]) {
  return {
    dryRun: true as const,
    total: jobs.length,
    cost: estimateOf(jobs),
    items: jobs.map((job, index) => ({
      index,
      model: job.model,
      provider: job.connection,
      duration: job.seconds,
      resolution: sizeText(job),
      estimatedUsd: microsToUsd(job.estimated_micros),
    })),
  };
}

function estimateOf(jobs: readonly Job[]): { estimatedUsd: number } {
  return { estimatedUsd: microsToUsd(jobs.reduce((sum, job) => sum + job.estimated_micros, 0)) };
}
