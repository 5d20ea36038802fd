import { type Static, type TSchema, Type } from 'typebox';
import { AppError } from '../core/errors.ts';
import { exactMicros } from '../core/money.ts';
import { Nullable } from '../http/schemas.ts';
import { type Metric, METRICS, type QuotaField, shownAmount } from './quota.ts';
import type { Limit, Quota, Use } from './quotas.repository.ts';

/** More than that is a slip of the pen. */
const MAX_AMOUNT = 1_000_000_000;

function LimitSchema(unit: string, schema: TSchema) {
  return Type.Optional(
    Type.Object(
      {
        hard: Type.Optional(
          Nullable({ ...schema, description: 'Nothing goes beyond it; null: no limit at all.' }),
        ),
        soft: Type.Optional(Nullable({ ...schema, description: 'Crossing it writes an event.' })),
      },
      { additionalProperties: false, description: `In ${unit}.` },
    ),
  );
}

const Usd = Type.Number({ minimum: 0, maximum: MAX_AMOUNT });
const Count = Type.Integer({ minimum: 0, maximum: MAX_AMOUNT });

/** Limits as a request gives them. */
export const LimitsBody = Type.Object(
  {
    usdPerDay: LimitSchema('USD', Usd),
    usdPerMonth: LimitSchema('USD', Usd),
    videosPerDay: LimitSchema('videos', Count),
    secondsPerMonth: LimitSchema('seconds of video', Count),
    running: LimitSchema('videos in work at once: more of them wait for their turn', Count),
  },
  { additionalProperties: false, title: 'QuotaLimits' },
);

export const QuotaSchema = Type.Object(
  {
    scope: Type.Unsafe<Quota['scope']>({ type: 'string', enum: ['role', 'user', 'team', 'key'] }),
    subjectId: Type.String({ description: 'The id of the user, team or key; the name of the role.' }),
    limits: LimitsBody,
    updatedAt: Nullable(Type.String({ format: 'date-time' })),
    updatedBy: Nullable(Type.String()),
  },
  { title: 'Quota' },
);

export const UseSchema = Type.Object(
  {
    limit: Type.String({
      description: 'What is limited, by the name it has in a quota; `spendCapUsd` of a key.',
    }),
    scope: Type.Unsafe<Use['scope']>({ type: 'string', enum: ['user', 'team', 'key'] }),
    subjectId: Type.String(),
    used: Type.Number(),
    hard: Nullable(Type.Number()),
    soft: Nullable(Type.Number()),
    remaining: Nullable(Type.Number({ description: 'null: there is no limit.' })),
    resetsAt: Nullable(Type.String({ format: 'date-time' })),
  },
  { title: 'QuotaUse' },
);

const FIELDS = Object.entries(METRICS).map(([metric, { field }]) => ({
  metric: metric as keyof typeof METRICS,
  field,
}));

/** Limits in the units of the database. Throws `invalid_request` for what contradicts itself. */
export function readLimits(body: Static<typeof LimitsBody>): Limit[] {
  return Object.entries(body).flatMap(([field, given]) => {
    const metric = FIELDS.find((known) => known.field === field)?.metric as Metric;
    const { hard = null, soft = null } = given as { hard?: number | null; soft?: number | null };
    if (hard !== null && soft !== null && soft > hard) {
      throw new AppError('invalid_request', {
        message: `${field}: the soft limit must not be above the hard one.`,
        param: field,
      });
    }
    const stored = (name: 'hard' | 'soft', amount: number | null) =>
      amount === null || METRICS[metric].unit !== 'USD' ? amount : exactMicros(amount, `${field}.${name}`);
    return [{ metric, hard: stored('hard', hard), soft: stored('soft', soft) }];
  });
}

/** The rows of one subject, as one quota. */
export function viewQuota(
  subject: Pick<Static<typeof QuotaSchema>, 'scope' | 'subjectId'>,
  rows: readonly Quota[],
) {
  const limits: Partial<Record<QuotaField, { hard: number | null; soft: number | null }>> = {};
  for (const { metric, hard, soft } of rows) {
    const shown = (amount: number | null) => (amount === null ? null : shownAmount(metric, amount));
    limits[METRICS[metric].field] = { hard: shown(hard), soft: shown(soft) };
  }
  const [latest] = rows.toSorted((a, b) => b.updated_at.getTime() - a.updated_at.getTime());
  return {
    ...subject,
    limits,
    updatedAt: latest?.updated_at.toISOString() ?? null,
    updatedBy: latest?.updated_by ?? null,
  };
}

export function viewUse({
  scope,
  subject_id: subjectId,
  metric,
  used,
  hard,
  soft,
  resets_at: resetsAt,
}: Use) {
  const shown = (amount: number | null) => (amount === null ? null : shownAmount(metric, amount));
  return {
    limit: METRICS[metric].field,
    scope,
    subjectId,
    used: shownAmount(metric, used),
    hard: shown(hard),
    soft: shown(soft),
    remaining: hard === null ? null : shownAmount(metric, Math.max(0, hard - used)),
    resetsAt: resetsAt?.toISOString() ?? null,
  };
}
