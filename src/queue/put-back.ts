/**
 * Thrown by a handler whose task is none of its business here and now: the task waits `waitMs` and is then taken by any
 * process, as if it had not been begun.
 */
export class PutBack extends Error {
  override readonly name = 'PutBack';
  readonly waitMs: number;

  constructor(reason: string, waitMs: number) {
    super(reason);
    this.waitMs = waitMs;
  }
}

/**
 * Parameters: name, id, retry count, pause in ms. It gets another id, so that whatever the process that had it still says
 * about it (its end, its heartbeat) concerns nothing any more. That it was begun is forgotten: the retry does not count.
 */
export const PUT_BACK = `update pgboss.job
  set id = gen_random_uuid(), state = 'retry', started_on = null, heartbeat_on = null, output = null,
    start_after = pgboss.job_now() + $4 * interval '1 millisecond'
  where name = $1 and id = $2 and state = 'active' and retry_count = $3`;
