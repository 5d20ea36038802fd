import type { ColumnType, Generated } from 'kysely';
import type { JsonColumn } from './schema-columns.ts';

export interface LedgerTable {
  id: Generated<number>;
  kind: 'hold' | 'release' | 'charge' | 'correction' | 'orphan';
  debit: string;
  credit: string;
  amount_micros: number;
  owner_id: string;
  api_key_id: string | null;
  batch_id: string | null;
  connection: string;
  model: string;
  job_id: string;
  /** Of an orphan alone. */
  attempt_id: string | null;
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
  /** The day and the month before. */
  former_day: Date | null;
  former_usd_day: Generated<number>;
  former_videos_day: Generated<number>;
  former_month: Date | null;
  former_usd_month: Generated<number>;
  former_seconds_month: Generated<number>;
}

/** What was used, in one line or summed up. */
interface UsageFigures {
  created: Generated<number>;
  completed: Generated<number>;
  failed: Generated<number>;
  cancelled: Generated<number>;
  seconds: Generated<number>;
  estimated_micros: Generated<number>;
  held_micros: Generated<number>;
  charged_micros: Generated<number>;
  corrected_micros: Generated<number>;
}

export interface UsageDeltasTable extends UsageFigures {
  at: Date;
  owner_id: string;
  user_id: string | null;
  api_key_id: string | null;
  batch_id: string | null;
  connection: string;
  model: string;
}

export interface UsageDimsTable {
  id: Generated<number>;
  owner_id: string;
  user_id: string | null;
  api_key_id: string | null;
  connection: string;
  model: string;
}

export interface UsageQuartersTable extends UsageFigures {
  slot: Date;
  dim: number;
  batch_id: string | null;
}

export interface UsageZonesTable {
  id: Generated<number>;
  name: string;
}

export interface UsageDaysTable extends UsageFigures {
  zone: number;
  day: string;
  dim: number;
}

export interface UsageBatchesTable extends UsageDaysTable {
  batch_id: string;
}

export interface LedgerChecksTable {
  id: Generated<boolean>;
  checked_at: Date;
  took_ms: number;
  entries: number;
  imbalance_micros: number;
  problems: ColumnType<{ rule: string; count: number }[], string, string>;
}
