import { type EngineParts, providerOf } from './engine.ts';
import { checkEach } from './poll-check.ts';
import { settle } from './poll-settle.ts';
import { walkDue } from './poll-walk.ts';
import { claimDuePolls, countPolls, isCrowdDue } from './poll.repository.ts';

/** How long a claim lasts: a dead worker's checks are taken over after this. */
const LEASE_MS = 9000;
/** Jobs taken in one go where each has to be asked about by itself. */
const CLAIM_SIZE = 200;
/** Fewer than this are asked about one by one also where the upstream lists. */
const LIST_FROM = 5;

/** Asks one connection about jobs whose check is due; returns how many. Several processes may do so at once. */
export async function pollDue(parts: EngineParts, connection: string, signal: AbortSignal): Promise<number> {
  const provider = providerOf(parts.catalog, connection);
  if (!provider) return 0;
  const now = parts.clock.now();
  if (provider.pollMany && (await isCrowdDue(parts.db, connection, new Date(now), LIST_FROM))) {
    return walkDue(parts, provider, connection, signal);
  }
  const due = await claimDuePolls(parts.db, connection, new Date(now), new Date(now + LEASE_MS), CLAIM_SIZE);
  const found = await checkEach(parts, provider, due, { signal });
  if (signal.aborted) return 0;
  // Only a full hand says that there may be more than can be asked about at any pace.
  const running = due.length < CLAIM_SIZE ? due.length : await countPolls(parts.db, connection);
  await settle(parts, found, { askedAt: now, running });
  return due.length;
}
