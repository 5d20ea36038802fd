import { type Doubt, isLong, isOutage, isProven, type Trouble, yieldsPlace } from './patience.ts';
import { countPolls } from './poll.repository.ts';
import {
  countCompleted,
  countTroubled,
  type NewTrouble,
  recordTroubles,
  restartClocks,
  showWaits,
} from './trouble.repository.ts';
import type { Write } from './write.ts';

/**
 * Notes looks at videos of one connection that went wrong, and writes into jobs what they wait for. Returns those of which
 * it is proven by now that they will give no video: to be failed after this transaction, each in one of its own that makes
 * sure that nothing has changed (`isStillTroubled`).
 */
export async function noteTroubles(
  write: Write,
  stage: 'rendering' | 'archiving',
  found: readonly NewTrouble[],
): Promise<NewTrouble[]> {
  const byId = new Map(found.map((entry) => [entry.jobId, entry]));
  const troubles = (await recordTroubles(write, stage, found)).flatMap((trouble) => {
    const entry = byId.get(trouble.jobId);
    return entry ? [{ ...entry, trouble }] : [];
  });
  const outages = await findOutages(write, stage, troubles);
  const stopped = troubles.filter(({ doubt }) => outages.has(doubt.kind)).map(({ jobId }) => jobId);
  if (stopped.length > 0) await restartClocks(write, stopped);

  const now = write.now.getTime();
  const judged = troubles.map(({ trouble, ...entry }) => {
    const isOut = outages.has(entry.doubt.kind);
    const { doubt } = entry;
    // Its clock starts again: what it shows is from before that.
    const known = isOut ? { ...trouble, calmSince: write.now } : trouble;
    const proven = isProven(doubt, known, now, isOut);
    const yields = stage === 'archiving' ? isLong(known, now) : yieldsPlace(doubt, known, now, isOut);
    return { entry, known, proven, yields };
  });
  const long = judged.filter(({ known, proven }) => !proven && isLong(known, now));
  await showWaits(
    write,
    long.map(({ entry: { jobId, doubt }, yields }) => ({
      jobId,
      code: doubt.code,
      message: doubt.message,
      yieldsPlace: yields,
    })),
  );
  return judged.filter(({ proven }) => proven).map(({ entry }) => entry);
}

/** Which kinds of trouble so many videos of the connection have that it is the connection's. */
async function findOutages(
  write: Write,
  stage: 'rendering' | 'archiving',
  troubles: readonly { connection: string; doubt: Doubt; trouble: Trouble }[],
): Promise<Set<Doubt['kind']>> {
  const outages = new Set<Doubt['kind']>();
  const [first] = troubles;
  if (!first) return outages;
  const { connection } = first;
  for (const kind of new Set(troubles.map(({ doubt }) => doubt.kind))) {
    if (kind === 'other') continue;
    const troubled = await countTroubled(write, connection, kind);
    // Most often it is one or two: then nothing more has to be counted.
    if (!isOutage(troubled, 0)) continue;
    if (isOutage(troubled, await countOthers(write, stage, connection, troubles))) outages.add(kind);
  }
  return outages;
}

/** How many videos would have the trouble too if it were the connection's. */
async function countOthers(
  write: Write,
  stage: 'rendering' | 'archiving',
  connection: string,
  troubles: readonly { trouble: Trouble }[],
): Promise<number> {
  if (stage === 'rendering') return countPolls(write.tx, connection);
  const since = Math.min(...troubles.map(({ trouble }) => trouble.sameSince.getTime()));
  // Files that have come since then: those that are on their way are few, and nothing is known of them yet.
  return countCompleted(write, connection, new Date(since));
}
