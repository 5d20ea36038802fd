import type { Job } from './job.ts';

type Chosen =
  | 'id'
  | 'owner_id'
  | 'user_id'
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

/** Where a job stands among others, for those that do not stand alone. */
export type Placed = Partial<
  Pick<
    Job,
    | 'batch_id'
    | 'batch_index'
    | 'parent_id'
    | 'root_id'
    | 'depth'
    | 'derivation'
    | 'derived'
    | 'asset_id'
    | 'collection_id'
    | 'rate'
  >
>;

/** A job as it is at its creation, the whole row: what is stored and what the client is shown are the same. */
export function newJob(chosen: Pick<Job, Chosen> & Placed): Job {
  return {
    status: 'pending',
    stage: 'queued',
    progress: 0,
    batch_id: null,
    batch_index: null,
    parent_id: null,
    root_id: null,
    depth: 0,
    derivation: null,
    derived: null,
    asset_id: null,
    collection_id: null,
    starred: false,
    pinned: false,
    stored_bytes: 0,
    previews: 0,
    trashed_at: null,
    imported_at: null,
    rate: null,
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
    metered_day: null,
    result: null,
    updated_at: chosen.created_at,
    started_at: null,
    estimated_at: null,
    finished_at: null,
    deleted_at: null,
    last_error: null,
    place_given_up_at: null,
    search: '',
    ...chosen,
  };
}
