import type { Kysely, Transaction } from 'kysely';
import { namedQuery } from '../database/named-query.ts';
import type { DB } from '../database/schema.ts';
import { HOLD_CREATED } from '../usage/ledger.repository.ts';
import { meterCreated, meteredDay } from '../usage/meters.repository.ts';
import type { Job } from './job.ts';

/** A client's own key for a creating request, with the answer it is to get from now on. */
export interface KeyClaim {
  key: string;
  fingerprint: string;
  response: string;
  /** A key older than this is free again. */
  expiredBefore: Date;
}

/** Jobs that are inserted together or not at all. */
export interface Insertion {
  jobs: readonly Job[];
  /** They are inserted only if nobody has used this key before. */
  claim?: KeyClaim | undefined;
}

/** What is known of a job when it is created; everything else starts at its column's default. */
const CREATED_COLUMNS = [
  'id',
  'owner_id',
  'user_id',
  'api_key_id',
  'batch_id',
  'batch_index',
  'name',
  'status',
  'stage',
  'priority',
  'model',
  'connection',
  'prompt',
  'seconds',
  'width',
  'height',
  'plan',
  'reference_key',
  'reference_type',
  'asset_id',
  'collection_id',
  'tags',
  'metadata',
  'webhook_url',
  'parent_id',
  'root_id',
  'depth',
  'derivation',
  'derived',
  'due_at',
  'estimated_micros',
  'rate',
  'fingerprint',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof Job)[];

/**
 * SQL that takes the keys of the claims in $4 (owner $5, lifetime since $6), each for the first who asks for it here, and
 * says whose jobs are not to be inserted. Keys are taken in one order: who is using one right now is waited for, and never
 * in a ring.
 */
const CLAIM = `claims as (
    select * from json_to_recordset($4::json) as claim
      (place int, key text, fingerprint uuid, response text, job_ids text[])
  ), asking as (
    select distinct on (key) * from claims order by key, place
  ), claimed as (
    insert into idempotency_keys (owner_id, key, fingerprint, response, created_at)
    select $5, key, fingerprint, response, $2::timestamptz from asking order by key
    on conflict (owner_id, key) do update
      set fingerprint = excluded.fingerprint, response = excluded.response, created_at = excluded.created_at
      where idempotency_keys.created_at < $6::timestamptz
    returning key
  ), refused as (
    select unnest(job_ids) as id from claims
    where place not in (select place from asking where key in (select key from claimed))
  ),`;

/**
 * Inserts new jobs, each with its first event and its hold, and counts them against their quotas, in one statement: one
 * round trip, one commit, however many they are. All are of one owner and one API key. Says of each insertion whether it
 * took place: it does not when its key was taken. Rejects with what `denialsIn` reads when a quota does not suffice for
 * all: nothing has been inserted then. `zone` is where the days of quotas begin; all are counted in the day of the first one,
 * which is stored with each.
 */
export async function insertJobs(
  db: Kysely<DB> | Transaction<DB>,
  insertions: readonly Insertion[],
  zone: string,
): Promise<boolean[]> {
  const jobs = insertions.flatMap((insertion) => insertion.jobs);
  const [first] = jobs;
  if (!first) return insertions.map(() => true);
  const rows = jobs.map((job) => Object.fromEntries(CREATED_COLUMNS.map((column) => [column, job[column]])));
  const claims = claimsOf(insertions);
  const columns = CREATED_COLUMNS.join(', ');
  const text = `with ${claims ? CLAIM : ''} created as (
      insert into jobs (${columns}, metered_day)
      select ${columns}, ${meteredDay('$2::timestamptz', '$3::text')} from json_populate_recordset(null::jobs, $1::json)
      ${claims ? 'where id not in (select id from refused)' : ''}
      returning id, owner_id, user_id, api_key_id, batch_id, connection, model, seconds, estimated_micros, created_at
    ), ${HOLD_CREATED}, ${meterCreated('$2::timestamptz', '$3::text')}, logged as (
      insert into events (owner_id, job_id, batch_id, type, data, created_at)
      select owner_id, id, batch_id, 'job.created', '{}', created_at from created
    )
    select (select array_agg(id) from created) as ids, case when what is not null then deny_quota(what) end as denied
    from denied`;
  // Prepared once per connection: every create goes through here.
  const name = claims ? 'insert_jobs_with_keys' : 'insert_jobs';
  const claimValues = claims ? [JSON.stringify(claims.offered), first.owner_id, claims.expiredBefore] : [];
  const [answer] = await namedQuery<{ ids: string[] | null }>(db, name, text, [
    JSON.stringify(rows),
    first.created_at,
    zone,
    ...claimValues,
  ]);
  const inserted = new Set(answer?.ids);
  return insertions.map((insertion) => insertion.jobs.every(({ id }) => inserted.has(id)));
}

function claimsOf(insertions: readonly Insertion[]) {
  const offered = insertions.flatMap(({ jobs, claim }, place) => {
    if (!claim) return [];
    const { key, fingerprint, response } = claim;
    return [{ place, key, fingerprint, response, job_ids: jobs.map(({ id }) => id) }];
  });
  const expiredBefore = insertions.find(({ claim }) => claim)?.claim?.expiredBefore;
  return expiredBefore && { offered, expiredBefore };
}
