/**
 * Every error a client can meet: its HTTP status and the sentence shown when the thrower gives none.
 * Both APIs, the docs and the tests read this table; a status is looked up here, never passed along.
 */
export const ERRORS = {
  invalid_request: { status: 400, message: 'The request is not valid.' },
  invalid_json: { status: 400, message: 'The request body is not valid JSON.' },
  invalid_multipart: { status: 400, message: 'The multipart body is broken.' },
  unknown_field: { status: 400, message: 'The request has a field that does not exist here.' },
  invalid_prompt: { status: 400, message: 'The prompt is not valid.' },
  model_not_found: { status: 400, message: 'There is no such model.' },
  unsupported_size: { status: 400, message: 'The model cannot make a video of this size.' },
  unsupported_duration: { status: 400, message: 'The model cannot make a video of this length.' },
  unsupported_input: { status: 400, message: 'The model does not take this input.' },
  invalid_reference: { status: 400, message: 'The reference image cannot be used.' },
  invalid_batch: { status: 400, message: 'The batch is not valid: nothing of it was created.' },
  operation_unsupported: { status: 400, message: 'This cannot be done with this video and model.' },
  lineage_too_deep: { status: 400, message: 'The lineage of this video is as deep as it may be.' },
  invalid_cursor: { status: 400, message: 'The cursor is not one that this server gave out.' },
  invalid_import: { status: 400, message: 'The archive is not an export that can be read.' },
  invalid_bill: { status: 400, message: 'The bill is not a table that can be read.' },
  invalid_link: { status: 400, message: 'This link is not valid, or not any more.' },
  video_not_completed: { status: 400, message: 'The video is not finished yet.' },
  unauthorized: {
    status: 401,
    message: 'Sign in, or send a valid API key as "Authorization: Bearer KEY" or "x-api-key: KEY".',
  },
  budget_exceeded: { status: 402, message: 'The budget does not suffice for this.' },
  model_without_price: {
    status: 403,
    message: 'Nobody has said what this model costs: an administrator has to set its price first.',
  },
  wrong_credentials: { status: 401, message: 'The address or the password is wrong.' },
  wrong_password: { status: 403, message: 'This is not your password.' },
  foreign_origin: {
    status: 403,
    message: 'This was asked for from another site: it needs an Origin header that names this server.',
  },
  session_required: { status: 403, message: 'Only a signed-in person may do that, not a key.' },
  first_admin_token_required: {
    status: 403,
    message: 'From another machine the first admin needs the token that the server printed at its start.',
  },
  sign_up_closed: { status: 403, message: 'Nobody can sign up here without an invitation.' },
  forbidden: { status: 403, message: 'This API key may not do that.' },
  model_not_allowed: { status: 403, message: 'This API key may not ask for this model.' },
  not_found: { status: 404, message: 'There is nothing at this path.' },
  job_not_found: { status: 404, message: 'There is no such video.' },
  collection_not_found: { status: 404, message: 'There is no such collection.' },
  batch_not_found: { status: 404, message: 'There is no such batch.' },
  quota_subject_not_found: { status: 404, message: 'There is no such role, user, team or key.' },
  user_not_found: { status: 404, message: 'There is no such user.' },
  content_not_found: { status: 404, message: 'This video has no such file.' },
  asset_not_found: { status: 404, message: 'There is no such asset.' },
  key_not_found: { status: 404, message: 'There is no such API key.' },
  key_not_active: { status: 409, message: 'The API key is not valid any more.' },
  session_not_found: { status: 404, message: 'You have no such session.' },
  sign_in_provider_not_found: { status: 404, message: 'There is no such way to sign in here.' },
  invitation_not_found: { status: 404, message: 'There is no such invitation.' },
  team_not_found: { status: 404, message: 'There is no such team.' },
  member_not_found: { status: 404, message: 'The team has no such member.' },
  first_admin_exists: { status: 409, message: 'There is an admin already: sign in.' },
  account_exists: { status: 409, message: 'There is an account for this address.' },
  already_member: { status: 409, message: 'They are a member of the team already.' },
  last_owner: { status: 409, message: 'A team keeps at least one owner.' },
  team_not_empty: {
    status: 409,
    message: 'The team has videos, or a history of them: only an empty team can be deleted.',
  },
  job_already_finished: { status: 409, message: 'The video is already finished.' },
  job_not_finished: { status: 409, message: 'The video is not finished: cancel it first.' },
  not_in_trash: { status: 409, message: 'The video is not in the trash.' },
  job_in_trash: { status: 409, message: 'The video is in the trash: restore it first.' },
  job_not_retryable: { status: 409, message: 'Only a failed or cancelled video can be tried again.' },
  collection_exists: { status: 409, message: 'You have a collection of that name.' },
  batch_already_finished: { status: 409, message: 'All videos of the batch have ended already.' },
  nothing_to_retry: {
    status: 409,
    message: 'Nothing to try again: no video of the batch has failed or been cancelled.',
  },
  job_not_failed: { status: 409, message: 'Only what failed or was cancelled can be tried again.' },
  no_decision_needed: {
    status: 409,
    message: 'There is no doubt about what became of this job: there is nothing to decide.',
  },
  call_under_way: {
    status: 409,
    message: 'A call to the provider may still be under way. Decide in a minute, when it has ended.',
  },
  last_admin: { status: 409, message: 'Nobody else is an admin: somebody has to be.' },
  price_exists: { status: 409, message: 'There is a price of this model from that very moment on.' },
  retention_running: { status: 409, message: 'A round of this kind is at work already.' },
  payload_too_large: { status: 413, message: 'The request body is too large.' },
  idempotency_key_reused: {
    status: 422,
    message: 'This Idempotency-Key was used before, for another request.',
  },
  unsupported_media_type: {
    status: 415,
    message: 'Send the body as application/json or multipart/form-data.',
  },
  range_not_satisfiable: { status: 416, message: 'The file has no such range.' },
  quota_exceeded: { status: 429, message: 'The quota does not suffice for this.' },
  too_many_attempts: { status: 429, message: 'Too many attempts to sign in: wait.' },
  rate_limit_exceeded: { status: 429, message: 'Too many requests: slow down.' },
  internal_error: {
    status: 500,
    message: 'Something went wrong here. It has been logged with the request id.',
  },
  unavailable: { status: 503, message: 'The server cannot do this right now. Try again shortly.' },
} as const satisfies Record<string, { status: number; message: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface AppErrorOptions {
  /** The public sentence; the table's when left out. */
  message?: string;
  /** Public, machine-readable facts: what is allowed, which field, … */
  details?: unknown;
  /** The request field at fault, by its name on the wire. */
  param?: string;
  /** Seconds after which the same request may succeed (sent as `Retry-After`). */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** The one error class that services throw. Its message and details are public; its cause is only logged. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details: unknown;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.param = options.param;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The text of anything thrown. For logs and event rows, not for clients. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
