import type { ListedVideo } from '../providers/listed-video.ts';
import type { Plan, Provider } from '../providers/provider.ts';
import { ProviderError } from '../providers/provider.ts';
import type { Attempt } from './attempts.repository.ts';
import { attribute, type Completeness, type Verdict } from './attribution.ts';
import { findCalls } from './calls.repository.ts';
import { GRACE_MS, isUnderWay, spanOf } from './calls.ts';
import type { Doubtful } from './claims.ts';
import { type DoubtfulRow, findClaims, findLatestAccepted, findRivals } from './doubtful.repository.ts';
import type { EngineParts } from './engine.ts';
import type { Job } from './job.ts';
import { createTimeline, type Landmark } from './timeline.ts';

const MAX_PAGES = 20;
const DAY_MS = 24 * 60 * 60_000;
/** A list that shows all of these, the latest accepted ones, shows everything; fewer than the least prove nothing. */
const LATEST = { most: 10, least: 5 };

/** What a walk through a provider's list has brought. */
interface Walk {
  unclaimed: ListedVideo[];
  landmarks: Landmark[];
  /** Attempts whose videos it showed. */
  shown: Set<string>;
  servedAt: number | undefined;
  /** It came to its end, or to videos that were there before the call. */
  isFarEnough: boolean;
}

/** Looks through the provider's list for an attempt whose answer was lost. Throws `ProviderError` when it cannot be read. */
export async function look(
  parts: Pick<EngineParts, 'db' | 'clock'>,
  provider: Provider,
  attempt: Attempt,
  job: Pick<Job, 'reference_key'>,
  signal: AbortSignal,
): Promise<Verdict> {
  const { db, clock } = parts;
  const { connection } = attempt;
  const now = clock.now();
  const wanted = doubtful(
    { attempt, calls: await findCalls(db, attempt.id), hasInputs: job.reference_key !== null },
    now,
  );
  if (!provider.list || !wanted) return unknown('the provider has no list');
  const latest = await findLatestAccepted(db, connection, new Date(now - DAY_MS), LATEST.most);
  const isPromised = provider.listIsComplete === true;
  const walk = await walkList(parts, provider.list({ signal }), {
    connection,
    wanted,
    // Without a promise it goes on until it has seen what would prove that the list shows everything.
    lookFor: isPromised ? [] : latest.map(({ id }) => id),
  }).catch(noList);
  if (!walk) return unknown('the provider has no list');
  // Read after the list: what was sent since then is not in it, and what was answered since then is claimed.
  const rivals = await findRivals(db, attempt, new Date(now - DAY_MS));
  const unclaimed = await stillUnclaimed(parts, connection, walk.unclaimed);
  const completeness = isPromised
    ? ({ by: 'promise' } as const)
    : observed(walk, latest, wanted, clock.now());
  return attribute({
    wanted,
    rivals: rivals.flatMap((row) => doubtful(row, clock.now()) ?? []),
    unclaimed,
    landmarks: walk.landmarks,
    completeness: walk.isFarEnough ? completeness : undefined,
    now: clock.now(),
    servedAt: walk.servedAt,
  });
}

function unknown(why: string): Verdict {
  return { outcome: 'unknown', why, candidates: [] };
}

function doubtful({ attempt, calls, hasInputs }: DoubtfulRow, now: number): Doubtful | undefined {
  const span = spanOf(attempt, calls);
  if (!span) return undefined;
  const isAlive = isUnderWay(attempt, calls, now);
  return { id: attempt.id, plan: attempt.plan as unknown as Plan, hasInputs, span, isAlive };
}

async function walkList(
  { db, clock }: Pick<EngineParts, 'db' | 'clock'>,
  pages: ReturnType<NonNullable<Provider['list']>>,
  { connection, wanted, lookFor }: { connection: string; wanted: Doubtful; lookFor: readonly string[] },
): Promise<Walk> {
  const walk: Walk = {
    unclaimed: [],
    landmarks: [],
    shown: new Set(),
    servedAt: undefined,
    isFarEnough: false,
  };
  let lowest = Infinity;
  let isSorted = true;
  let count = 0;
  for await (const { videos, servedAt } of pages) {
    walk.servedAt ??= servedAt;
    const named = videos.filter(({ operation }) => operation !== undefined);
    const claims = await findClaims(
      db,
      connection,
      named.map(({ operation }) => operation ?? null),
    );
    const claimed = new Set<ListedVideo>();
    for (const { place, attemptId, sentAt, settledAt } of claims) {
      const video = named[place];
      if (!video) continue;
      claimed.add(video);
      if (attemptId !== undefined) walk.shown.add(attemptId);
      if (video.createdAt === undefined || !sentAt || !settledAt) continue;
      walk.landmarks.push({ createdAt: video.createdAt, from: sentAt.getTime(), to: settledAt.getTime() });
    }
    walk.unclaimed.push(...videos.filter((video) => !claimed.has(video)));
    for (const { createdAt } of videos) {
      isSorted &&= createdAt !== undefined && createdAt <= lowest;
      lowest = Math.min(lowest, createdAt ?? Infinity);
    }
    count += 1;
    const timeline = createTimeline({ ...walk, span: wanted.span, now: clock.now() });
    const isOld = isSorted && timeline.isOlder(lowest) && lookFor.every((id) => walk.shown.has(id));
    if (isOld) return { ...walk, isFarEnough: true };
    if (count >= MAX_PAGES) return { ...walk, isFarEnough: isSorted && timeline.isOlder(lowest) };
  }
  return { ...walk, isFarEnough: true };
}

/** An answer that came while the list was walked has claimed its video since. */
async function stillUnclaimed(
  { db }: Pick<EngineParts, 'db'>,
  connection: string,
  videos: readonly ListedVideo[],
): Promise<ListedVideo[]> {
  const named = videos.filter(({ operation }) => operation !== undefined);
  const claims = await findClaims(
    db,
    connection,
    named.map(({ operation }) => operation ?? null),
  );
  const claimed = new Set(claims.map(({ place }) => named[place]));
  return videos.filter((video) => !claimed.has(video));
}

/** It has shown each of the latest accepted videos, and one that is younger than the call within the grace. */
function observed(
  { shown }: Walk,
  latest: readonly { id: string; settledAt: Date }[],
  { span }: Doubtful,
  now: number,
): Completeness | undefined {
  if (latest.length < LATEST.least || !latest.every(({ id }) => shown.has(id))) return undefined;
  const isPrompt = latest.some(
    ({ settledAt }) => settledAt.getTime() >= span.from || now - settledAt.getTime() <= GRACE_MS,
  );
  return isPrompt ? { by: 'observation', seen: latest.length } : undefined;
}

/** A server that has no list says so with a 4xx; any other trouble may pass. */
function noList(error: unknown): undefined {
  if (error instanceof ProviderError && (error.kind === 'gone' || error.kind === 'rejected'))
    return undefined;
  throw error;
}
