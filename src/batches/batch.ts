import type { Selectable } from 'kysely';
import type { ErrorCode } from '../core/errors.ts';
import type { BatchesTable } from '../database/schema.ts';
import type { CreateBody } from '../jobs/jobs.schemas.ts';

/** Several videos asked for at once, as the row is stored. */
export type Batch = Selectable<BatchesTable>;

export const BATCH_STATUSES = [
  'pending',
  'processing',
  'completed',
  'partial',
  'failed',
  'cancelled',
] as const;

export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** Where a batch stands: counted over the latest try of each of its items; money over all tries. */
export interface BatchSummary extends Batch {
  status: BatchStatus;
  total: number;
  pending: number;
  processing: number;
  completed: number;
  failed: number;
  cancelled: number;
  percentage: number;
  estimated_micros: number;
  charged_micros: number;
}

/** What is wrong with one item, or with one field of it. */
export interface ItemProblem {
  code: ErrorCode;
  message: string;
  /** By its name in the API. */
  field?: string;
}

/** A video of a batch as it came, not yet judged. */
export interface BatchItem {
  value: unknown;
  /** Where it stands in the file it came from, from 1. */
  line?: number;
  /** The name it has in a file in OpenAI's batch format. */
  customId?: string;
  /** Why it could not even be read. */
  problem?: ItemProblem;
}

export type BatchDefaults = Partial<CreateBody>;

/** A request for a batch, whatever format it came in. */
export interface BatchRequest {
  name?: string;
  webhookUrl?: string;
  defaults?: BatchDefaults;
  /** One more than allowed at the most: nobody reads on in a file that is too long. */
  items: BatchItem[];
}
