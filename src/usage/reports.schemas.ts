import { type Static, Type } from 'typebox';
import { GROUPINGS } from './reports.ts';

const strict = { additionalProperties: false } as const;
const Moment = (what: string) =>
  Type.Optional(
    Type.String({ description: `${what}: a day in the time zone, or a time on a quarter of an hour.` }),
  );

export const PAGE_FIELDS = {
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })),
};

const REPORT_FIELDS = {
  from: Moment('From this on; unset: from the first of this month'),
  to: Moment('Up to, and not including; unset: up to now'),
  groupBy: Type.Optional(
    Type.String({ default: 'day', description: `One or two by comma: ${GROUPINGS.join(', ')}.` }),
  ),
  timeZone: Type.Optional(
    Type.String({ default: 'UTC', description: 'Whose days and months, such as `Europe/Berlin`.' }),
  ),
  format: Type.Optional(
    Type.Unsafe<'json' | 'csv'>({
      type: 'string',
      enum: ['json', 'csv'],
      description: 'CSV also for `Accept: text/csv`; it has all groups, without pages.',
    }),
  ),
  ...PAGE_FIELDS,
};

export const UsageQuery = Type.Object(REPORT_FIELDS, strict);

export const AdminUsageQuery = Type.Object(
  {
    owner: Type.Optional(Type.String({ description: 'Whose library: the id of a person or a team.' })),
    team: Type.Optional(Type.String({ description: 'The same, of a team only.' })),
    user: Type.Optional(Type.String({ description: 'Who asked for the videos.' })),
    ...REPORT_FIELDS,
  },
  strict,
);

export type UsageQuery = Static<typeof UsageQuery>;

const Key = Type.Optional(Type.Union([Type.String(), Type.Null()]));

const FIGURES = {
  jobs: Type.Object(
    {
      created: Type.Integer(),
      completed: Type.Integer(),
      failed: Type.Integer(),
      cancelled: Type.Integer(),
    },
    { description: 'Created in this time, and ended in this time.' },
  ),
  seconds: Type.Integer({ description: 'Of completed videos.' }),
  estimatedUsd: Type.Number({ description: 'What the jobs that were created were expected to cost.' }),
  heldUsd: Type.Number({ description: 'What is still held of that.' }),
  chargedUsd: Type.Number({ description: 'What was charged in this time, corrections included.' }),
  correctedUsd: Type.Number({ description: 'The corrections among it; negative: given back.' }),
};

const Total = Type.Object(FIGURES, { title: 'UsageFigures' });

export const UsageSchema = Type.Object(
  {
    from: Type.String({ format: 'date-time' }),
    to: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
    timeZone: Type.String(),
    groupBy: Type.Array(Type.String()),
    groups: Type.Array(
      Type.Object(
        { ...Object.fromEntries(GROUPINGS.map((name) => [name, Key])), ...FIGURES },
        { title: 'UsageGroup', description: 'null: what has none, such as videos outside of batches.' },
      ),
    ),
    total: Total,
    pagination: Type.Object({
      page: Type.Integer(),
      limit: Type.Integer(),
      total: Type.Integer(),
      totalPages: Type.Integer(),
    }),
  },
  { title: 'UsageReport' },
);
