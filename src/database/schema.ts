import type { ColumnType, Generated } from 'kysely';
import type { JsonObject } from '../core/json.ts';
import type { JsonColumn } from './schema-columns.ts';
import type * as engine from './schema-engine.ts';
import type * as money from './schema-money.ts';
import type * as people from './schema-people.ts';

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
  cancel_outcome:
    'not_started' | 'cancelled' | 'cancelled_billed' | 'too_late' | 'unknown' | 'written_off' | null;
  error_code: string | null;
  error_message: string | null;
  error_retryable: boolean | null;
  error_charged: boolean | null;
  estimated_micros: Generated<number>;
  /** The day of quotas it was counted in, as `2026-01-31`. */
  metered_day: ColumnType<string | null, string | null | undefined, never>;
  charged_micros: number | null;
  result: ColumnType<JsonObject | null, string | null | undefined, string | null>;
  created_at: Date;
  updated_at: Date;
  started_at: Date | null;
  estimated_at: Date | null;
  finished_at: Date | null;
  deleted_at: Date | null;
  fingerprint: string | null;
  last_error: ColumnType<
    engine.LastError | null,
    engine.LastError | string | null | undefined,
    string | null
  >;
  place_given_up_at: Date | null;
  search: ColumnType<string, never, never>;
}

export interface IdempotencyKeysTable {
  owner_id: string;
  key: string;
  fingerprint: string;
  response: string;
  created_at: Date;
}

export interface ClientRetriesTable {
  job_id: string;
  retry_counts: number[];
  answered_at: Date;
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

export interface UpkeepTable {
  kind: 'retention' | 'sweep';
  started_at: Date;
  report: JsonColumn<JsonObject>;
}

/** Every table of ours; pg-boss keeps its own in the schema `pgboss`. */
export interface DB {
  owners: people.OwnersTable;
  users: people.UsersTable;
  teams: people.TeamsTable;
  team_members: people.TeamMembersTable;
  api_keys: people.ApiKeysTable;
  outside_identities: people.OutsideIdentitiesTable;
  sessions: people.SessionsTable;
  accounts: people.AccountsTable;
  verifications: people.VerificationsTable;
  invitations: people.InvitationsTable;
  team_invitations: people.TeamInvitationsTable;
  sign_in_attempts: people.SignInAttemptsTable;
  audit_log: people.AuditLogTable;
  jobs: JobsTable;
  attempts: engine.AttemptsTable;
  calls: engine.CallsTable;
  former_operations: engine.FormerOperationsTable;
  idempotency_keys: IdempotencyKeysTable;
  client_retries: ClientRetriesTable;
  events: EventsTable;
  polls: engine.PollsTable;
  troubles: engine.TroublesTable;
  walks: engine.WalksTable;
  connections: engine.ConnectionsTable;
  turns: engine.TurnsTable;
  batches: BatchesTable;
  collections: CollectionsTable;
  assets: AssetsTable;
  ledger: money.LedgerTable;
  balances: money.BalancesTable;
  prices: money.PricesTable;
  quotas: money.QuotasTable;
  meters: money.MetersTable;
  usage_deltas: money.UsageDeltasTable;
  usage_dims: money.UsageDimsTable;
  usage_quarters: money.UsageQuartersTable;
  usage_zones: money.UsageZonesTable;
  usage_days: money.UsageDaysTable;
  usage_batches: money.UsageBatchesTable;
  ledger_checks: money.LedgerChecksTable;
  upkeep: UpkeepTable;
  processes: engine.ProcessesTable;
  connection_workers: engine.ConnectionWorkersTable;
  leases: engine.LeasesTable;
}
