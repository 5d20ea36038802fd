import { sql } from 'kysely';

/** Which rows of `jobs` hold a place on their connection: those in work. */
export const HOLDS_PLACE = sql<boolean>`(jobs.status = 'processing')`;
