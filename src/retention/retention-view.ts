import type { LastRound } from './upkeep.repository.ts';
import type { Plan } from './retention.ts';
import { type RetentionRules, VIDEO_RULES } from './rules.ts';

/** A plan as the API and the command show it. */
export function viewPlan({ rules, sums, assets, videos }: Plan) {
  const rows = VIDEO_RULES.map((rule) => {
    const sum = sums.find((each) => each.rule === rule);
    return {
      rule: rule as string,
      count: Number(sum?.videos ?? 0),
      bytes: Number(sum?.bytes ?? 0),
      oldest: sum?.oldest.toISOString() ?? null,
      newest: sum?.newest.toISOString() ?? null,
    };
  });
  rows.push({
    rule: 'assets',
    count: Number(assets.count),
    bytes: Number(assets.bytes),
    oldest: assets.oldest?.toISOString() ?? null,
    newest: assets.newest?.toISOString() ?? null,
  });
  return {
    rules: viewRules(rules),
    expiring: rows,
    videos: videos.map(({ id: jobId, ownerId, rule, storedBytes: bytes, finishedAt }) => {
      return { jobId, ownerId, rule, bytes, completedAt: finishedAt.toISOString() };
    }),
  };
}

function viewRules({ days, maxBytes, tags, trashDays, assetDays }: RetentionRules) {
  const limit = (value: number) => (value === Infinity ? null : value);
  return {
    days: limit(days),
    maxBytes: limit(maxBytes),
    tags: Object.fromEntries(Object.entries(tags).map(([tag, stay]) => [tag, limit(stay)])),
    trashDays,
    assetDays,
  };
}

export function viewLast(last: LastRound | undefined) {
  return last ? { startedAt: last.startedAt.toISOString(), report: last.report } : null;
}
