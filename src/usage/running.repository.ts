import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';

/** Admissions to several connections, of which each sees what the others did: a person's limit spans them all. */
const ADMISSION_LOCK = 'running quotas';

/** Waits until nobody else is admitting videos; until the transaction ends. */
export async function lockRunningQuotas(tx: Transaction<DB>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${ADMISSION_LOCK}, 0))`.execute(tx);
}

/** In whose name something waits. */
export interface Asker {
  person: string;
  ownerId: string;
  keyId: string | null;
}

/** A limit on videos in work that an asker counts against. */
export interface RunningLimit {
  /** The asker's place in the list that was asked for. */
  place: number;
  /** The same for all whom it spans. */
  name: string;
  /** How many more may be in work; below zero when a limit was lowered. */
  room: number;
}

/**
 * The limits on videos in work, over all connections, that each asker counts against: their key's (with those it was rotated
 * from), their team's, and their own, else that of their role. `inWork` is the SQL condition on `jobs` of what counts as in
 * work. Needs `lockRunningQuotas`.
 */
export async function findRunningLimits(
  tx: Transaction<DB>,
  askers: readonly Asker[],
  inWork: RawBuilder<boolean>,
): Promise<RunningLimit[]> {
  const { rows } = await sql<RunningLimit>`
    with asker as (
      select place::int - 1 as place, person, owner_id, key_family(key_id) as family
      from unnest(
        ${askers.map(({ person }) => person)}::text[],
        ${askers.map(({ ownerId }) => ownerId)}::text[],
        ${askers.map(({ keyId }) => keyId)}::text[]
      ) with ordinality as asker (person, owner_id, key_id, place)
    ), limits as (
      select place, scope, subject_id, hard from asker
      join quotas on metric = 'running' and scope = 'key' and subject_id = family
      union all
      select place, scope, subject_id, hard from asker
      join quotas on metric = 'running' and scope = 'team' and subject_id = owner_id
      union all
      select place, 'user', users.id, case when own.metric is null then of_role.hard else own.hard end
      from asker join users on users.id = person
      left join quotas as own on own.metric = 'running' and own.scope = 'user' and own.subject_id = users.id
      left join quotas as of_role
        on of_role.metric = 'running' and of_role.scope = 'role' and of_role.subject_id = users.role
    ), working as (
      select user_id, owner_id, api_key_id, count(*) as count from jobs where ${inWork} group by 1, 2, 3
    ), busy as (
      select scope, subject_id, sum(count) as count
      from working cross join lateral (
        values ('key', key_family(api_key_id)), ('team', owner_id), ('user', user_id)
      ) as subject (scope, subject_id)
      group by scope, subject_id
    )
    select place, scope || '/' || subject_id as name, (hard - coalesce(count, 0))::int as room
    from limits left join busy using (scope, subject_id)
    where hard is not null`.execute(tx);
  return rows;
}
