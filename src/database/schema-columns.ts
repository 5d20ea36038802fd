import type { ColumnType } from 'kysely';

/** A jsonb column: any JSON out, its text or a value in. */
export type JsonColumn<T> = ColumnType<T, string, string>;
