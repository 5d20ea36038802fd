import { sql } from 'kysely';

/**
 * Which rows of `jobs` hold a place on their connection: those in work, but for one that has waited for its provider for
 * so long that it has given its place to others (`place_given_up_at`). It goes on all the same, and holds a place again
 * as soon as the provider answers for it, over the limit if need be: it runs upstream anyway.
 */
export const HOLDS_PLACE = sql<boolean>`(jobs.status = 'processing' and jobs.place_given_up_at is null)`;
