import type { ColumnType, Generated } from 'kysely';
import type { Json, JsonObject } from '../core/json.ts';
import type { JsonColumn } from './schema-columns.ts';

export interface AttemptsTable {
  id: string;
  job_id: string;
  number: number;
  connection: string;
  state: 'intended' | 'sent' | 'accepted' | 'rejected' | 'unconfirmed' | 'orphaned';
  plan: JsonColumn<JsonObject>;
  operation: ColumnType<Json, string | null | undefined, string | null>;
  error_code: string | null;
  error_message: string | null;
  created_at: Date;
  sent_at: Date | null;
  settled_at: Date | null;
  duty: 'stop' | null;
  duty_at: Date | null;
  stop_sent_at: Date | null;
  stop_outcome: 'not_started' | 'cancelled' | 'cancelled_billed' | 'too_late' | 'written_off' | null;
  evidence: ColumnType<JsonObject | null, string | null | undefined, string | null>;
}

export interface CallsTable {
  id: Generated<number>;
  attempt_id: string;
  number: number;
  sent_at: Date;
  ends_at: Date;
  ended_at: Date | null;
  outcome: 'accepted' | 'refused' | 'turned_away' | 'not_sent' | 'lost' | null;
}

export interface FormerOperationsTable {
  connection: string;
  operation_hash: string;
  deleted_at: Date;
}

export interface PollsTable {
  job_id: string;
  connection: string;
  due_at: Date;
  count: Generated<number>;
}

/** What an open job waits for; `at` is ISO 8601. */
export interface LastError {
  code: string;
  message: string;
  at: string;
}

export interface TroublesTable {
  job_id: string;
  connection: string;
  kind: 'gone' | 'no_file' | 'named' | 'other';
  reason: string;
  since: Date;
  same_since: Date;
  looks: Generated<number>;
  calm_since: Date;
  lacked: Generated<boolean>;
  last_at: Date;
}

export interface WalksTable {
  connection: string;
  walker: string | null;
  held_until: Generated<Date>;
  due_at: Generated<Date>;
  cursor: string | null;
}

export interface ConnectionsTable {
  name: string;
  allowed: number | null;
  slowed_at: Date | null;
  blocked_until: Date | null;
  tokens: number;
  refilled_at: Date;
}

/** When a person's last video was admitted to a connection. */
export interface TurnsTable {
  connection: string;
  person_id: string;
  taken_at: Date;
}

export interface ProcessesTable {
  id: string;
  role: string;
  version: string;
  host: string;
  pid: number;
  started_at: Date;
  seen_at: Date;
  skew_ms: Generated<number>;
  draining_at: Date | null;
  stopped_at: Date | null;
}

export interface ConnectionWorkersTable {
  connection: string;
  process_id: string;
  first_served_at: Date;
  last_served_at: Date;
}

export interface LeasesTable {
  name: string;
  holder: string;
  until: Date;
}
