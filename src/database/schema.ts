import type { ColumnType, Generated } from 'kysely';
import type { Json, JsonObject } from '../core/json.ts';
import type * as accounts from './schema-accounts.ts';
import type * as usage from './usage-schema.ts';

/** A jsonb column: any JSON out, its text or a value in. */
type JsonColumn<T> = ColumnType<T, string, string>;

export interface OwnersTable {
  id: string;
  kind: 'user' | 'team';
}

export interface UsersTable {
  id: string;
  name: string;
  role: 'user' | 'admin';
  email: string | null;
  email_verified: Generated<boolean>;
  image: string | null;
  created_at: Date;
  updated_at: Generated<Date>;
  disabled_at: Date | null;
}

export interface TeamsTable {
  id: string;
  name: string;
  slug: string;
  created_at: Generated<Date>;
}

export interface TeamMembersTable {
  id: string;
  team_id: string;
  user_id: string;
  role: 'owner' | 'admin' | 'member';
  created_at: Generated<Date>;
}

export interface AuditLogTable {
  id: Generated<number>;
  at: Date;
  actor_id: string | null;
  credential_id: string | null;
  address: string | null;
  action: string;
  subject_id: string | null;
  details: JsonColumn<JsonObject>;
}

export interface ApiKeysTable {
  id: string;
  user_id: string;
  name: string;
  prefix: string;
  key_hash: string;
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
  owner_id: string;
  scopes: string[];
  models: string[] | null;
  spend_cap_micros: number | null;
  last_used_at: Date | null;
  rotated_from: string | null;
  family_id: string | null;
}

export interface OutsideIdentitiesTable {
  issuer: string;
  subject: string;
  user_id: string;
  created_at: Date;
}

export interface JobsTable {
  id: string;
  owner_id: string;
  user_id: string | null;
  api_key_id: string | null;
  batch_id: string | null;
  name: string | null;
  status: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';
  stage: string;
  progress: Generated<number>;
  priority: Generated<number>;
  model: string;
  connection: string;
  prompt: string;
  seconds: number;
  width: number;
  height: number;
  plan: JsonColumn<JsonObject>;
  reference_key: string | null;
  reference_type: string | null;
  tags: Generated<string[]>;
  metadata: ColumnType<Record<string, string>, string | undefined, string>;
  webhook_url: string | null;
  parent_id: string | null;
  root_id: string | null;
  depth: Generated<number>;
  derivation: 'remix' | 'edit' | 'extend' | 'retry' | null;
  derived: ColumnType<JsonObject | null, string | null | undefined, never>;
  batch_index: number | null;
  asset_id: string | null;
  collection_id: string | null;
  starred: Generated<boolean>;
  pinned: Generated<boolean>;
  trashed_at: Date | null;
  stored_bytes: Generated<number>;
  previews: Generated<number>;
  imported_at: Date | null;
  rate: ColumnType<JsonObject | null, string | null | undefined, never>;
  due_at: Date;
  tries: Generated<number>;
  refusals: Generated<number>;
  deadline_at: Date | null;
  cancel_outcome: 'not_started' | 'cancelled' | 'cancelled_billed' | 'too_late' | 'unknown' | null;
  error_code: string | null;
  error_message: string | null;
  error_retryable: boolean | null;
  error_charged: boolean | null;
  estimated_micros: Generated<number>;
  charged_micros: number | null;
  result: ColumnType<JsonObject | null, string | null | undefined, string | null>;
  created_at: Date;
  updated_at: Date;
  started_at: Date | null;
  estimated_at: Date | null;
  finished_at: Date | null;
  deleted_at: Date | null;
  fingerprint: string | null;
  search: ColumnType<string, never, never>;
}

export interface AttemptsTable {
  id: string;
  job_id: string;
  number: number;
  connection: string;
  state: 'intended' | 'sent' | 'accepted' | 'rejected' | 'unconfirmed';
  plan: JsonColumn<JsonObject>;
  operation: ColumnType<Json, string | null | undefined, string | null>;
  error_code: string | null;
  error_message: string | null;
  created_at: Date;
  sent_at: Date | null;
  settled_at: Date | null;
}

export interface IdempotencyKeysTable {
  owner_id: string;
  key: string;
  fingerprint: string;
  response: string;
  created_at: Date;
}

export interface PollsTable {
  job_id: string;
  connection: string;
  due_at: Date;
  count: Generated<number>;
}

export interface ConnectionsTable {
  name: string;
  allowed: number | null;
  slowed_at: Date | null;
  blocked_until: Date | null;
  tokens: number;
  refilled_at: Date;
}

export interface EventsTable {
  id: Generated<number>;
  owner_id: string;
  job_id: string | null;
  batch_id: string | null;
  type: string;
  data: ColumnType<JsonObject, string, never>;
  created_at: Date;
}

export interface BatchesTable {
  id: string;
  owner_id: string;
  name: string | null;
  webhook_url: string | null;
  created_at: Date;
  finished_at: Date | null;
}

export interface CollectionsTable {
  id: string;
  owner_id: string;
  name: string;
  created_at: Date;
}

export interface AssetsTable {
  id: string;
  owner_id: string;
  name: string | null;
  source: 'upload' | 'url' | 'data_url' | 'frame';
  storage_key: string;
  content_type: 'image/jpeg' | 'image/png' | 'image/webp';
  width: number;
  height: number;
  size_bytes: number;
  sha256: string;
  created_at: Date;
  used_at: Date;
}

export interface LedgerTable {
  id: Generated<number>;
  kind: 'hold' | 'release' | 'charge' | 'correction';
  debit: string;
  credit: string;
  amount_micros: number;
  owner_id: string;
  api_key_id: string | null;
  batch_id: string | null;
  connection: string;
  model: string;
  job_id: string;
  note: string | null;
  created_at: Date;
}

export interface BalancesTable {
  account: string;
  micros: number;
}

export interface PricesTable {
  id: string;
  connection: string;
  model: string;
  per_second_micros: number;
  by_size: JsonColumn<Record<string, number>>;
  valid_from: Date;
  created_by: string;
  created_at: Date;
}

export interface QuotasTable {
  scope: 'role' | 'user' | 'team' | 'key';
  subject_id: string;
  metric: 'usd_day' | 'usd_month' | 'videos_day' | 'seconds_month' | 'running';
  hard: number | null;
  soft: number | null;
  updated_by: string;
  updated_at: Date;
}

export interface MetersTable {
  scope: 'user' | 'team' | 'key';
  subject_id: string;
  zone: string;
  day: Date;
  month: Date;
  usd_day: number;
  usd_month: number;
  usd_total: number;
  videos_day: number;
  seconds_month: number;
}

export interface UpkeepTable {
  kind: 'retention' | 'sweep';
  started_at: Date;
  report: JsonColumn<JsonObject>;
}

export type { InvitationsTable, TeamInvitationsTable } from './schema-accounts.ts';

/** Every table of ours; pg-boss keeps its own in the schema `pgboss`. */
export interface DB {
  owners: OwnersTable;
  users: UsersTable;
  teams: TeamsTable;
  team_members: TeamMembersTable;
  api_keys: ApiKeysTable;
  outside_identities: OutsideIdentitiesTable;
  sessions: accounts.SessionsTable;
  accounts: accounts.AccountsTable;
  verifications: accounts.VerificationsTable;
  invitations: accounts.InvitationsTable;
  team_invitations: accounts.TeamInvitationsTable;
  sign_in_attempts: accounts.SignInAttemptsTable;
  audit_log: AuditLogTable;
  jobs: JobsTable;
  attempts: AttemptsTable;
  idempotency_keys: IdempotencyKeysTable;
  events: EventsTable;
  polls: PollsTable;
  connections: ConnectionsTable;
  batches: BatchesTable;
  collections: CollectionsTable;
  assets: AssetsTable;
  ledger: LedgerTable;
  balances: BalancesTable;
  prices: PricesTable;
  quotas: QuotasTable;
  meters: MetersTable;
  usage_deltas: usage.UsageDeltasTable;
  usage_dims: usage.UsageDimsTable;
  usage_quarters: usage.UsageQuartersTable;
  usage_zones: usage.UsageZonesTable;
  usage_days: usage.UsageDaysTable;
  usage_batches: usage.UsageBatchesTable;
  ledger_checks: usage.LedgerChecksTable;
  upkeep: UpkeepTable;
}
