import { type RawBuilder, sql } from 'kysely';
import type { Figures, Grouping, ReportRequest } from './reports.ts';

export const FIGURES = [
  'created',
  'completed',
  'failed',
  'cancelled',
  'seconds',
  'estimated_micros',
  'held_micros',
  'charged_micros',
  'corrected_micros',
] as const satisfies readonly (keyof Figures)[];

export type Part = RawBuilder<unknown>;

/** First and last day, both included. */
export interface Days {
  first: string;
  last: string;
}

export interface FactsWanted {
  report: ReportRequest;
  /** Of the report's time zone, or of any when the report has no whole days. */
  zone: number;
  /** Columns `key_0` and so on; with none, only the figures. */
  groupBy: readonly Grouping[];
  /** Only what was in a batch, with its batch; otherwise everything, and the batch is null. */
  inBatch?: boolean;
  within?: Days | undefined;
}

/** Where figures are read: the columns of its dimensions, its day, and what it is narrowed by. */
interface Source {
  from: Part;
  day: Part;
  batch: Part;
  /** What the columns of the dimensions belong to. */
  dims: string;
  figures: string;
  where: Part[];
}

/** SQL for whole days from their sums, the ends from the quarters, and the lines that wait for their place in either. */
export function factsOf(wanted: FactsWanted): Part {
  const selects = sourcesOf(wanted).map((source) => {
    const { from, where, dims, figures } = source;
    const keys = wanted.groupBy.map(
      (by, index) => sql`${keyOf(by, source, wanted.inBatch)} as ${keyName(index)}`,
    );
    // Whole numbers in doubles: exact as far as we are (2^53), and summed up several times as fast as big integers.
    const sums = FIGURES.map((name) => sql`${sql.ref(`${figures}.${name}`)}::float8 as ${sql.ref(name)}`);
    // What people's own spaces have in common is that they are no team's.
    const teams = wanted.groupBy.includes('team')
      ? sql`left join owners as teams on teams.id = ${sql.ref(`${dims}.owner_id`)} and teams.kind = 'team'`
      : sql``;
    return sql`select ${sql.join([...keys, ...sums])} from ${from} ${teams} where ${sql.join(where, sql` and `)}`;
  });
  return sql.join(selects, sql` union all `);
}

export function keyName(index: number): Part {
  return sql.ref(`key_${index}`);
}

const COLUMNS = { model: 'model', user: 'user_id', key: 'api_key_id', provider: 'connection' } as const;

function keyOf(by: Grouping, { day, batch, dims }: Source, inBatch = false): Part {
  if (by === 'day') return day;
  if (by === 'month') return sql`date_trunc('month', ${day}::timestamp)::date`;
  if (by === 'batch') return inBatch ? batch : sql`null::text`;
  if (by === 'team') return sql`teams.id`;
  return sql.ref(`${dims}.${COLUMNS[by]}`);
}

function sourcesOf({ report, zone, groupBy, inBatch = false, within }: FactsWanted): Source[] {
  const { filter, timeZone, days, ends } = report;
  const local = (at: Part) => sql`(${at} at time zone ${timeZone})::date`;
  const of = (dims: string, day: Part) => [
    ...(filter.ownerId === undefined ? [] : [sql`${sql.ref(`${dims}.owner_id`)} = ${filter.ownerId}`]),
    ...(filter.userId === undefined ? [] : [sql`${sql.ref(`${dims}.user_id`)} = ${filter.userId}`]),
    ...(within ? [sql`${day} between ${within.first}::date and ${within.last}::date`] : []),
  ];
  const knowsDims =
    filter.ownerId !== undefined ||
    filter.userId !== undefined ||
    groupBy.some((by) => by === 'team' || by in COLUMNS);
  const join = knowsDims ? sql`join usage_dims as dims on dims.id = sums.dim` : sql``;
  const shared = { batch: sql`sums.batch_id`, dims: 'dims', figures: 'sums' };
  const sources: Source[] = [];
  if (days) {
    const day = sql`sums.day`;
    sources.push({
      ...shared,
      from: sql`${sql.ref(inBatch ? 'usage_batches' : 'usage_days')} as sums ${join}`,
      day,
      where: [
        sql`sums.zone = ${zone} and sums.day >= ${days.from}`,
        ...(days.to === null ? [] : [sql`sums.day < ${days.to}`]),
        ...of('dims', day),
      ],
    });
  }
  for (const end of ends) {
    const day = local(sql`sums.slot`);
    sources.push({
      ...shared,
      from: sql`usage_quarters as sums ${join}`,
      day,
      where: [
        ...between(sql`sums.slot`, end),
        ...(inBatch ? [sql`sums.batch_id is not null`] : []),
        ...of('dims', day),
      ],
    });
  }
  const day = local(sql`lines.at`);
  sources.push({
    from: sql`usage_deltas as lines`,
    day,
    batch: sql`lines.batch_id`,
    dims: 'lines',
    figures: 'lines',
    where: [
      ...between(sql`lines.at`, report),
      ...(inBatch ? [sql`lines.batch_id is not null`] : []),
      ...of('lines', day),
    ],
  });
  return sources;
}

function between(at: Part, { from, to }: { from: Date; to: Date | undefined }): Part[] {
  return [sql`${at} >= ${from}`, ...(to ? [sql`${at} < ${to}`] : [])];
}
