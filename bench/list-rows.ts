import type { Pool } from 'pg';

/** Shares of the jobs, skewed as in life: one big customer, some middling, many small. */
export const OWNERS = { big: 'usr_big', middle: 'usr_middle', small: 'usr_small', many: 'usr_many' } as const;

/**
 * Jobs over two years, made by the database itself: deterministic, and true to every CHECK. The big owner has 60 %,
 * the middle one 25 %, the small one 1 % and five hundred others the rest. The big one makes a third of its videos in batches,
 * each of one key.
 */
const FILL = `
insert into jobs (id, owner_id, user_id, api_key_id, batch_id, name, status, stage, progress, priority, model, connection, prompt, seconds,
  width, height, plan, tags, metadata, due_at, tries, error_code, error_message, error_retryable, cancel_outcome,
  estimated_micros, charged_micros, result, created_at, updated_at, started_at, finished_at, batch_index, collection_id,
  starred, pinned, deleted_at, trashed_at, parent_id, root_id, depth, derivation, derived)
select 'video_' || lpad(to_hex(n), 12, '0') || md5(n::text)::char(20), owner, owner, 'key_' || owner || '_' || case when batch is null then n else n / 50 end % 3, batch, name, status,
  case status when 'pending' then 'queued' when 'processing' then 'rendering' else 'finished' end,
  case status when 'completed' then 100 when 'processing' then 40 else 0 end,
  case when r6 < 0.02 then 1 when r6 < 0.07 then -1 else 0 end,
  model, connection, prompt, 4 + 4 * (n % 3), 1280, 720,
  jsonb_build_object('upstreamModel', model, 'seconds', 8, 'size', '1280x720', 'request', jsonb_build_object('prompt', prompt)),
  tags, jsonb_build_object('scene', (n % 100)::text), at, 1,
  case when status = 'failed' then 'upstream_error' end, case when status = 'failed' then 'It said no.' end,
  case when status = 'failed' then true end, case when status = 'cancelled' then 'cancelled' end,
  800000, case when status = 'completed' then 800000 end,
  case when status = 'completed' then jsonb_build_object('seconds', 8, 'width', 1280, 'height', 720, 'codec', 'avc',
    'hasAudio', true, 'files', jsonb_build_object('video', jsonb_build_object('key', 'videos/ab/' || n || '/video.mp4',
    'sizeBytes', 4000000 + n, 'sha256', md5(n::text) || md5((-n)::text), 'contentType', 'video/mp4'))) end,
  at, at + interval '3 minutes',
  case when status not in ('pending', 'cancelled') then at + interval '5 seconds' end,
  case when status in ('completed', 'failed', 'cancelled') then at + interval '1 minute' * (1 + r6 * 10) end,
  case when batch is not null then n % 50 end,
  case when r2 < 0.30 and owner in ('${OWNERS.big}', '${OWNERS.middle}') then 'col_' || owner || '_' || least(n % 40, 10) end,
  r3 between 0.40 and 0.42, r3 between 0.50 and 0.501,
  case when is_trash then at + interval '1 day' end, case when is_trash then at + interval '1 day' end,
  case when is_child then 'video_parent_' || n % 2000 end, case when is_child then 'video_parent_' || n % 2000 end,
  case when is_child then 1 else 0 end, case when is_child then 'remix' end,
  case when is_child then '{"by": "stand_in"}'::jsonb end
from (
  select *, r1 between 0.2 and 0.21 and status in ('completed', 'failed', 'cancelled') as is_trash, r6 between 0.5 and 0.52 as is_child
from (
  select *,
    case when rank < 0.0005 then 'pending' when rank < 0.001 then 'processing' when rank < 0.90 then 'completed'
      when rank < 0.97 then 'failed' else 'cancelled' end as status,
    case when r1 < 0.60 then '${OWNERS.big}' when r1 < 0.85 then '${OWNERS.middle}' when r1 < 0.86 then '${OWNERS.small}'
      else '${OWNERS.many}_' || floor(r2 * 500) end as owner,
    case when r3 < 0.70 then 'sora-2' when r3 < 0.90 then 'sora-2-pro' when r3 < 0.99 then 'veo-3.1-fast'
      else 'simulator' end as model,
    case when r3 < 0.90 then 'openai' when r3 < 0.99 then 'google' else 'simulator' end as connection,
    case when r1 < 0.60 and r4 < 0.3333 then 'batch_' || n / 50 end as batch,
    case when r5 < 0.10 then 'Scene ' || n % 1000 end as name,
    case when r4 < 0.30 then array['draft'] when r4 < 0.40 then array['draft', 'client-' || n % 200]
      when r4 < 0.401 then array['rare', 'keep'] else '{}' end as tags,
    'a video of ' || (array['a cat', 'a dog', 'a paper boat', 'an old town', 'two robots', 'the sea'])[1 + floor(r2 * 6)]
      || ' ' || (array['at dawn', 'in the rain', 'under water', 'on a mountain lake', 'in slow motion'])[1 + floor(r5 * 5)]
      || ', shot ' || n % 5000 || ', ' || case when r6 < 0.0005 then 'zeppelin' when r6 < 0.05 then 'lantern'
      else 'cinematic light' end || ', film grain, 35 mm, soft colours, take ' || n as prompt
  from (
    select n, timestamptz '2026-11-01' - interval '63 seconds' * ($1::int - n) as at, random() as r1, random() as r2,
      random() as r3, random() as r4, random() as r5, random() as r6,
      -- What is open is new; the rest is a mixture.
      case when n > $1::int * 0.999 then random() * 0.001 else 0.001 + random() * 0.999 end as rank
    from generate_series(1, $1::int) as n
  ) as drawn
) as shaped) as flagged`;

interface IndexRow {
  name: string;
  definition: string;
}

/** Fills the table without its indexes and makes them again afterwards, which is several times as fast. */
export async function fillJobs(pool: Pool, count: number): Promise<void> {
  const { rows } = await pool.query<IndexRow>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index where indrelid = 'jobs'::regclass and not indisprimary`,
  );
  const client = await pool.connect();
  try {
    await client.query(`set maintenance_work_mem = '512MB'`);
    for (const { name } of rows) await client.query(`drop index ${name}`);
    await client.query('select setseed(0.5)');
    await client.query(
      `insert into users (id, name, role, created_at)
       select id, 'Somebody', 'user', now() from unnest($1::text[]) as id`,
      [[...Object.values(OWNERS), ...Array.from({ length: 500 }, (_, n) => `${OWNERS.many}_${n}`)]],
    );
    await client.query(
      `insert into api_keys (id, user_id, owner_id, name, prefix, key_hash, created_at)
       select 'key_' || id || '_' || n, id, id, 'Key ' || n, 'sk', id || n, now()
       from users, generate_series(0, 2) as n`,
    );
    // What is filled in here has not happened: nothing is to be noted of it.
    await client.query('alter table jobs disable trigger user');
    await client.query(
      `insert into collections (id, owner_id, name, created_at)
       select 'col_' || owner || '_' || n, owner, 'Collection ' || n, now()
       from unnest($1::text[]) as owner, generate_series(0, 10) as n`,
      [[OWNERS.big, OWNERS.middle]],
    );
    await client.query(
      `insert into batches (id, owner_id, created_at)
       select 'batch_' || n, $2, now() from generate_series(0, $1::int / 50) as n`,
      [count, OWNERS.big],
    );
    await client.query({ text: FILL, values: [count] });
    for (const { definition } of rows) await client.query(definition);
    await client.query('alter table jobs enable trigger user');
    await client.query('vacuum analyze jobs');
  } finally {
    client.release(true);
  }
}
