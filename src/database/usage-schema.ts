import type { ColumnType, Generated } from 'kysely';

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
