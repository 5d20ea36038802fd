import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';

/** Admissions to several connections, of which each sees what the others did: a person's limit spans them all. */
const ADMISSION_LOCK = 'running quotas';

/** Waits until nobody else is admitting videos; until the transaction ends. */
export async function lockRunningQuotas(tx: Transaction<DB>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${ADMISSION_LOCK}, 0))`.execute(tx);
}

/** By what videos are counted together, for rows of `jobs` and `pending`. */
const SUBJECTS = {
  key: sql`key_family(api_key_id)`,
  team: sql`owner_id`,
  user: sql`user_id`,
};

/** Those of `from` who are within their limit, counted in the order of their turn behind what is in work already. */
function within(
  from: string,
  subject: RawBuilder<unknown>,
  limits: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`
    select id, owner_id, user_id, api_key_id, priority, created_at
    from (
      select *, ${subject} as subject,
        row_number() over (partition by ${subject} order by priority desc, created_at, id) as place
      from ${sql.table(from)}
    ) as placed
    left join (${limits}) as limits (subject, hard) using (subject)
    left join (
      select ${subject} as subject, count(*) as count from jobs where status = 'processing' group by 1
    ) as busy using (subject)
    where limits.hard is null or place + coalesce(busy.count, 0) <= limits.hard`;
}

function limitsOf(scope: 'key' | 'team'): RawBuilder<unknown> {
  return sql`select subject_id, hard from quotas where metric = 'running' and scope = ${sql.lit(scope)}`;
}

/** A person's own quota, else that of their role. */
const LIMITS_OF_USERS = sql`
  select users.id, case when own.metric is null then of_role.hard else own.hard end
  from users
  left join quotas as own on own.metric = 'running' and own.scope = 'user' and own.subject_id = users.id
  left join quotas as of_role on of_role.metric = 'running' and of_role.scope = 'role' and of_role.subject_id = users.role
  where users.id in (select user_id from pending)`;

/**
 * SQL: CTEs up to `admissible`, those of a CTE `pending` that may go to work without anybody's having more videos in work
 * than their quota says. Needs `lockRunningQuotas`. What one limit holds back takes no place within the next one.
 */
export const WITHIN_RUNNING_QUOTAS = sql`
  within_keys as (${within('pending', SUBJECTS.key, limitsOf('key'))}),
  within_teams as (${within('within_keys', SUBJECTS.team, limitsOf('team'))}),
  admissible as (${within('within_teams', SUBJECTS.user, LIMITS_OF_USERS)})`;
