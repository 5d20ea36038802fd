import { sql } from 'kysely';
import type { Db } from '../database/open.ts';

/**
 * Adds what triggers have noted since the last time to the sums that reports read. Says how many lines there were;
 * undefined when another process is at it. Reports are exact before as well as after.
 */
export async function foldUsage(db: Db): Promise<number | undefined> {
  const { rows } = await sql<{ folded: number | null }>`select usage_fold() as folded`.execute(db);
  return rows[0]?.folded ?? undefined;
}
