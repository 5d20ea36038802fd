import type { Job } from './job.ts';

type Chosen =
  | 'id'
  | 'owner_id'
  | 'api_key_id'
  | 'name'
  | 'priority'
  | 'model'
  | 'connection'
  | 'prompt'
  | 'seconds'
  | 'width'
  | 'height'
  | 'plan'
  | 'reference_key'
  | 'reference_type'
  | 'tags'
  | 'metadata'
  | 'webhook_url'
  | 'estimated_micros'
  | 'fingerprint'
  | 'created_at';

/** A job as it is at its creation, the whole row: what is stored and what the client is shown are the same. */
export function newJob(chosen: Pick<Job, Chosen>): Job {
  return {
    ...chosen,
    status: 'pending',
    stage: 'queued',
    progress: 0,
    batch_id: null,
    remixed_from: null,
    due_at: chosen.created_at,
    tries: 0,
    refusals: 0,
    deadline_at: null,
    cancel_outcome: null,
    error_code: null,
    error_message: null,
    error_retryable: null,
    error_charged: null,
    charged_micros: null,
    result: null,
    updated_at: chosen.created_at,
    started_at: null,
    estimated_at: null,
    finished_at: null,
    deleted_at: null,
    search: '',
  };
}
