import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import { findRunningLimits, lockRunningQuotas } from '../usage/running.repository.ts';
import type { Job } from './job.ts';
import { HOLDS_PLACE } from './places.ts';
import { chooseTurns, type Lane, type Waiting } from './turns.ts';
import type { Write } from './write.ts';

/** How many videos hold a place on a connection, and whether anybody's number of videos in work is limited. */
export async function countRunning(
  write: Write,
  connection: string,
): Promise<{ running: number; isLimited: boolean }> {
  const { running, isLimited } = await write.tx
    .selectFrom('jobs')
    .select((eb) => [
      eb.fn.countAll<number>().as('running'),
      eb.exists(eb.selectFrom('quotas').select('scope').where('metric', '=', 'running')).as('isLimited'),
    ])
    .where('connection', '=', connection)
    .where(HOLDS_PLACE)
    .executeTakeFirstOrThrow();
  return { running: Number(running), isLimited: Boolean(isLimited) };
}

/** Looked at first of each lane, and how much more each time that is not enough. */
const FIRST_DEPTH = 1;
const DEEPER = 8;

/** Who is next, `count` times, as `chooseTurns` says; reads no more of each queue than that needs. */
export async function chooseNext(
  write: Write,
  connection: string,
  count: number,
  { isLimited }: { isLimited: boolean },
): Promise<Job[]> {
  if (isLimited) await lockRunningQuotas(write.tx);
  for (let depth = FIRST_DEPTH; ; depth = Math.min(depth * DEEPER, count)) {
    const found = await findLanes(write, connection, depth);
    const room = new Map<string, number>();
    const limits = isLimited ? await findRunningLimits(write.tx, found, HOLDS_PLACE) : [];
    for (const limit of limits) {
      room.set(limit.name, limit.room);
      found[limit.place]?.limits.push(limit.name);
    }
    const ids = chooseTurns(found, count, room);
    if (ids) return findInOrder(write, ids);
  }
}

interface FoundLane extends Lane {
  ownerId: string;
  keyId: string | null;
  limits: string[];
}

/** The columns of `jobs_lanes`, by which a lane is found without a look at those before it. */
const PERSON = sql`coalesce(user_id, owner_id) collate "C"`;
const OWNER = sql`owner_id collate "C"`;
const KEY = sql`coalesce(api_key_id, '') collate "C"`;

async function findLanes(write: Write, connection: string, depth: number): Promise<FoundLane[]> {
  const due = sql`connection = ${connection} and status = 'pending' and due_at <= ${write.now}`;
  const head = (condition: RawBuilder<unknown>) => sql`
    select ${PERSON} as person, ${OWNER} as owner_id, ${KEY} as key, id, priority, created_at from jobs where ${due} and ${condition}
    order by ${PERSON}, ${OWNER}, ${KEY}, priority desc, created_at, id limit 1`;
  const behind = sql`
    cross join lateral (
      select json_agg(next) as waiting from (
        select id, priority, created_at from jobs
        where ${due} and ${PERSON} = lane.person and ${OWNER} = lane.owner_id and ${KEY} = lane.key
        order by priority desc, created_at, id limit ${depth}
      ) as next
    ) as queue`;
  const { rows } = await sql<{
    person: string;
    owner_id: string;
    key: string;
    in_work: number;
    served_at: Date | null;
    id: string;
    priority: number;
    created_at: Date;
    waiting?: { id: string; priority: number; created_at: string }[];
  }>`
    with recursive lane as (
      (${head(sql`true`)})
      union all
      select behind.* from lane
      cross join lateral (
        ${head(sql`(${PERSON}, ${OWNER}, ${KEY}) > (lane.person, lane.owner_id, lane.key)`)}
      ) as behind
    ), working as (
      select ${PERSON} as person, count(*)::int as in_work from jobs
      where connection = ${connection} and ${HOLDS_PLACE} group by 1
    )
    select lane.*, coalesce(in_work, 0) as in_work, taken_at as served_at ${depth > 1 ? sql`, waiting` : sql``}
    from lane
    left join working using (person)
    left join turns on turns.connection = ${connection} and person_id = person
    ${depth > 1 ? behind : sql``}`.execute(write.tx);
  return rows.map((row) => ({
    person: row.person,
    ownerId: row.owner_id,
    keyId: row.key === '' ? null : row.key,
    inWork: row.in_work,
    servedAt: row.served_at?.getTime() ?? 0,
    waiting: (row.waiting ?? [row]).map(({ id, priority, created_at: at }): Waiting => ({
      id,
      priority,
      createdAt: new Date(at).getTime(),
    })),
    isCut: (row.waiting ?? [row]).length === depth,
    limits: [],
  }));
}

async function findInOrder(write: Write, ids: readonly string[]): Promise<Job[]> {
  if (ids.length === 0) return [];
  const jobs = await write.tx.selectFrom('jobs').selectAll().where('id', 'in', ids).execute();
  const places = new Map(ids.map((id, place) => [id, place]));
  return jobs.sort((a, b) => (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0));
}

/** Writes down that these had their turn. Those of one connection are written under its lock. */
export async function saveTurns(write: Write, connection: string, jobs: readonly Job[]): Promise<void> {
  const people = new Set(jobs.map((job) => job.user_id ?? job.owner_id));
  if (people.size === 0) return;
  await write.tx
    .insertInto('turns')
    .values([...people].map((id) => ({ connection, person_id: id, taken_at: write.now })))
    .onConflict((conflict) =>
      conflict.columns(['connection', 'person_id']).doUpdateSet({ taken_at: write.now }),
    )
    .execute();
}

/** Connections on which somebody waits whose time has come. */
export async function connectionsWaiting(
  db: Kysely<DB>,
  connections: string[],
  now: Date,
): Promise<string[]> {
  if (connections.length === 0) return [];
  const { rows } = await sql<{ name: string }>`
    select candidate.name from unnest(${connections}::text[]) as candidate (name)
    where exists (
      select from jobs where connection = candidate.name and status = 'pending' and due_at <= ${now}
    )`.execute(db);
  return rows.map((row) => row.name);
}
