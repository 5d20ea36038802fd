-- Videos that belong together, come from one another, or are kept apart from the rest.

-- Several videos asked for at once. Where it stands is read from its jobs; `finished_at` is set when all of them have
-- ended, and taken back when one is tried again.
create table batches (
  id text primary key,
  owner_id text not null references users (id),
  name text,
  webhook_url text,
  created_at timestamptz not null,
  finished_at timestamptz
);

create index batches_owner on batches (owner_id, created_at desc, id desc);

-- A shelf for videos; a video stands on one at most.
create table collections (
  id text primary key,
  owner_id text not null references users (id) on delete cascade,
  name text not null,
  created_at timestamptz not null
);

create unique index collections_name on collections (owner_id, lower(name));

-- Reference images: checked, re-encoded, stored under their hash. The same image twice is one row and one file.
create table assets (
  id text primary key,
  owner_id text not null references users (id) on delete cascade,
  name text,
  -- Where it came from: an upload, an address, a data URL, or a frame of a video.
  source text not null check (source in ('upload', 'url', 'data_url', 'frame')),
  storage_key text not null,
  content_type text not null check (content_type in ('image/jpeg', 'image/png', 'image/webp')),
  width integer not null check (width > 0),
  height integer not null check (height > 0),
  size_bytes bigint not null check (size_bytes > 0),
  sha256 text not null,
  created_at timestamptz not null,
  used_at timestamptz not null
);

create unique index assets_content on assets (owner_id, sha256);
create index assets_owner on assets (owner_id, created_at desc, id desc);
create index assets_key on assets (storage_key);

-- Lineage: the exact parent, the first ancestor, and how many steps it is away. The parent may be deleted one day; what
-- came of it still says where it came from, so these are no foreign keys.
alter table jobs rename column remixed_from to parent_id;
alter table jobs
  add column root_id text,
  add column depth smallint not null default 0 check (depth >= 0),
  add column derivation text check (derivation in ('remix', 'edit', 'extend', 'retry')),
  -- How it was derived: by the provider's own operation or by a stand-in, and what that was given.
  add column derived jsonb,
  add column batch_index smallint,
  add column asset_id text references assets (id) on delete set null,
  add column collection_id text references collections (id) on delete set null,
  add column starred boolean not null default false,
  -- Kept by every retention rule.
  add column pinned boolean not null default false,
  -- In the trash, and can be restored; hidden like everything with `deleted_at`.
  add column trashed_at timestamptz,
  -- Bytes of its files in storage.
  add column stored_bytes bigint not null default 0 check (stored_bytes >= 0),
  -- Which generation of previews it has; 0: none, or an older one; -1: none can be made, since its file is gone.
  add column previews smallint not null default 0,
  add column imported_at timestamptz,
  add constraint jobs_batch_known foreign key (batch_id) references batches (id),
  add constraint jobs_batch_place check ((batch_id is null) = (batch_index is null)),
  add constraint jobs_trashed check (trashed_at is null or deleted_at is not null),
  add constraint jobs_parent check ((parent_id is null) = (derivation is null)
    and (parent_id is null) = (root_id is null) and (parent_id is null) = (depth = 0)),
  add constraint jobs_derived check ((derived is null) = (derivation is null or derivation = 'retry'));

update jobs set stored_bytes = (
  select coalesce(sum((file ->> 'sizeBytes')::bigint), 0)
  from jsonb_each(result -> 'files') as files (variant, file)
) where result is not null;

-- Where a video comes from never changes: that is what makes a cycle impossible, since a parent is always older.
create function jobs_keep_parent() returns trigger language plpgsql as $$
begin
  raise exception 'the parent of job % cannot change', old.id
    using errcode = 'check_violation', constraint = 'jobs_parent_fixed';
end $$;

create trigger jobs_parent_fixed before update of parent_id, root_id, depth, derivation on jobs
  for each row when (old.parent_id is distinct from new.parent_id or old.root_id is distinct from new.root_id
    or old.depth is distinct from new.depth or old.derivation is distinct from new.derivation)
  execute function jobs_keep_parent();

create index jobs_root on jobs (root_id) where root_id is not null;
create index jobs_parent_of on jobs (parent_id) where parent_id is not null;
create index jobs_batch_open on jobs (batch_id) where batch_id is not null and finished_at is null;
-- The latest try of an item is the deepest: each one comes from the one before.
create index jobs_batch_items on jobs (batch_id, batch_index, depth desc) where batch_id is not null;
create index jobs_collection on jobs (owner_id, collection_id, created_at desc, id desc) include (stored_bytes)
  where collection_id is not null and deleted_at is null;
create index jobs_collection_any on jobs (collection_id) where collection_id is not null;
create index jobs_starred on jobs (owner_id, created_at desc, id desc) where starred and deleted_at is null;
create index jobs_pinned on jobs (owner_id, created_at desc, id desc) where pinned and deleted_at is null;
create index jobs_trash on jobs (owner_id, trashed_at desc, id desc) where trashed_at is not null;
create index jobs_trash_age on jobs (trashed_at) where trashed_at is not null;
-- What retention goes by: the age of a video here, and its bytes.
create index jobs_age on jobs (greatest(finished_at, imported_at), id) include (stored_bytes)
  where finished_at is not null;
create index jobs_asset on jobs (asset_id) where asset_id is not null;
create index jobs_reference on jobs (reference_key) where reference_key is not null;
create index jobs_bare on jobs (finished_at desc) where status = 'completed' and previews = 0;

-- The last round of each kind of upkeep, of whichever process: when, and what came of it.
create table upkeep (
  kind text primary key check (kind in ('retention', 'sweep')),
  started_at timestamptz not null,
  report jsonb not null
);

alter table events add column batch_id text;
create index events_batch on events (batch_id, id) where batch_id is not null;
