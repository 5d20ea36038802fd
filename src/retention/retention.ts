import type { Actor } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import { AppError } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import { exclusively } from '../database/exclusive.ts';
import { type IdleAssets, sumIdleAssets } from './assets.repository.ts';
import { type DueSum, type DueVideo, findDue, sumDue } from './due.repository.ts';
import { type DeletedSums, expire, type ExpireParts } from './expire.ts';
import type { RetentionRules } from './rules.ts';
import { sweep, type SweepReport } from './sweep.ts';
import { findLastRound, type LastRound, noteRound, type UpkeepKind } from './upkeep.repository.ts';

/** What a round would delete now. */
export interface Plan {
  rules: RetentionRules;
  sums: DueSum[];
  assets: IdleAssets;
  /** The first of them. */
  videos: DueVideo[];
}

export interface Retention {
  plan(): Promise<Plan>;
  /**
   * Deletes what the rules no longer keep. Throws `retention_running` when another process is at it. With
   * an actor, who started it by hand is written down before anything is deleted, and what was deleted with the round's end. */
  run(signal: AbortSignal, actor?: Actor): Promise<DeletedSums>;
  /** Looks for orphans and missing files. Throws `retention_running`. */
  sweep(options: { dryRun: boolean; signal: AbortSignal }): Promise<SweepReport>;
  /** The last round of any process. */
  last(kind: UpkeepKind): Promise<LastRound | undefined>;
}

/** Videos that a plan lists. */
const LISTED = 100;

/** What is deleted when, and what was left lying about. Each kind of round is at work once over all processes. */
export function createRetention(parts: ExpireParts & { clock: Clock }): Retention {
  const { db, write, log, clock, rules } = parts;

  async function once<Report extends object>(
    kind: UpkeepKind,
    work: (startedAt: Date) => Promise<Report>,
  ): Promise<Report> {
    const startedAt = new Date(clock.now());
    const report = await exclusively(db, kind, () => work(startedAt));
    if (!report) throw new AppError('retention_running');
    return report;
  }

  return {
    async plan() {
      const now = new Date(clock.now());
      const [sums, assets, videos] = await Promise.all([
        sumDue(db, rules, now),
        sumIdleAssets(db, rules.assetDays, now),
        findDue(db, rules, now, LISTED),
      ]);
      return { rules, sums, assets, videos };
    },
    run: (signal, actor) =>
      once('retention', async (startedAt) => {
        if (actor) await appendAudit(db, { ...actor, action: 'retention.started' }, startedAt);
        const sums = await expire(parts, startedAt, signal);
        if (!signal.aborted) {
          await write(async (tx) => {
            await noteRound(tx, 'retention', startedAt, sums);
            if (actor)
              await appendAudit(tx.tx, { ...actor, action: 'retention.run', details: { ...sums } }, tx.now);
          });
        }
        const { assets, ...byRule } = sums;
        const videos = Object.values(byRule).reduce((total, { count }) => total + count, 0);
        const bytes = Object.values(sums).reduce((total, each) => total + each.bytes, 0);
        if (videos + assets.count > 0)
          log.info({ videos, assets: assets.count, bytes, byRule }, 'retention has deleted what expired');
        return sums;
      }),
    sweep: ({ dryRun, signal }) =>
      once('sweep', async (startedAt) => {
        const report = await sweep(parts, { now: startedAt.getTime(), dryRun, signal });
        if (!dryRun && !signal.aborted) await write((tx) => noteRound(tx, 'sweep', startedAt, report));
        const { files, rows } = report;
        if (!dryRun)
          log.info(
            { removed: files.removed, bytes: files.bytes, missing: rows.missing },
            'storage and rows have been compared',
          );
        return report;
      }),
    last: (kind) => findLastRound(db, kind),
  };
}
