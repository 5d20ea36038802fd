import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import { type Figures, type Grain, type Grouping, isByTime, type ReportRequest } from './reports.ts';

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

export interface Group extends Figures {
  /** What the group is about, one for each grouping; null: what has none of it. */
  keys: (string | null)[];
}

export interface Report {
  groups: Group[];
  /** Of all groups, those of other pages too. */
  total: Figures;
  groupCount: number;
}

export interface ReportPage {
  limit: number;
  offset: number;
}

type Part = RawBuilder<unknown>;

/** Reads the sums and the lines that are not in them yet, in one statement: exact to the moment it begins. */
export async function readUsage(db: Kysely<DB>, report: ReportRequest, page: ReportPage): Promise<Report> {
  const keys = report.groupBy.map((_, index) => sql.ref(`key_${index}`));
  const shown = report.groupBy.map(
    (grouping, index) => sql`${shownKey(grouping, index)} as ${sql.ref(`key_${index}`)}`,
  );
  const [first] = report.groupBy;
  const order = first === 'day' || first === 'month' ? keys : [sql`charged_micros desc`, ...keys];
  const query = sql<Record<string, unknown>>`
    with buckets as materialized (${buckets(report)}),
    facts as (${sql.join(partsOf(report), sql` union all `)}),
    groups as materialized (
      select ${sql.join(keys)}, ${sums('shown')}
      from (select ${sql.join(shown)}, ${sql.join(FIGURES.map((name) => sql.ref(name)))} from facts) as shown
      group by ${sql.join(keys)}
      having ${sql.join(
        FIGURES.map((name) => sql`sum(${sql.ref(name)}) <> 0`),
        sql` or `,
      )}
    )
    select total.*, page.* from (
      select count(*) as group_count, ${sql.join(FIGURES.map((name) => sql`coalesce(sum(${sql.ref(name)}), 0) as ${sql.ref(`total_${name}`)}`))}
      from groups
    ) as total left join lateral (
      select * from groups order by ${sql.join(order)} limit ${page.limit} offset ${page.offset}
    ) as page on true`;
  const rows = await db.transaction().execute(async (tx) => {
    // Compiling takes longer than what it would save; hashing what there is must not go to disk.
    await sql`select set_config('jit', 'off', true), set_config('work_mem', '64MB', true)`.execute(tx);
    return (await query.execute(tx)).rows;
  });
  const [any = {}] = rows;
  return {
    groupCount: Number(any['group_count']),
    total: figuresOf(any, 'total_'),
    groups: rows
      .filter((row) => row['created'] !== null)
      .map((row) => ({
        keys: report.groupBy.map((_, index) => row[`key_${index}`] as string | null),
        ...figuresOf(row, ''),
      })),
  };
}

function figuresOf(row: Record<string, unknown>, prefix: string): Figures {
  const entries = FIGURES.map((name) => [name, Number(row[prefix + name] ?? 0)]);
  return Object.fromEntries(entries) as unknown as Figures;
}

function sums(table: string, sign = 1): Part {
  return sql.join(
    FIGURES.map((name) => {
      const sum = sql`sum(${sql.ref(`${table}.${name}`)})`;
      return sql`${sign < 0 ? sql`-${sum}` : sum} as ${sql.ref(name)}`;
    }),
  );
}

/** Which day or month a slot belongs to, for every slot there may be: far fewer than there are sums. */
function buckets(report: ReportRequest): Part {
  if (!isByTime(report.groupBy)) return sql`select null as slot, null as bucket`;
  const table = sql.ref(report.grain);
  const step = report.groupBy.includes('batch') ? '15 minutes' : STEPS[report.grain];
  return sql`
    select slot, ${localDate(report, sql`slot`)} as bucket from generate_series(
      greatest((select min(slot) from ${table}), ${report.from}::timestamptz),
      (select max(slot) from ${table} ${report.to ? sql`where slot < ${report.to}` : sql``}) + interval '1 day',
      ${step}::interval
    ) as slot`;
}

const STEPS: Record<Grain, string> = {
  usage_quarters: '15 minutes',
  usage_hours: '1 hour',
  usage_days: '1 day',
};

function localDate({ groupBy, timeZone }: ReportRequest, at: Part): Part {
  const unit = groupBy.includes('month') ? 'month' : 'day';
  return sql`date_trunc(${sql.lit(unit)}, ${at} at time zone ${timeZone})::date`;
}

/** The sums of one or several tables, and the lines that wait for their place in them. */
function partsOf(report: ReportRequest): Part[] {
  const { grain } = report;
  const lines = linesPart(report);
  if (!report.groupBy.includes('batch')) return [sumsPart(report, grain, 'none', 1), lines];
  // What is in no batch is everything, less what is in one.
  return [
    sumsPart(report, grain, 'none', 1),
    sumsPart(report, 'usage_batches', 'none', -1),
    sumsPart(report, 'usage_batches', 'batch', 1),
    lines,
  ];
}

function sumsPart(report: ReportRequest, table: string, batch: 'batch' | 'none', sign: number): Part {
  const keys = report.groupBy.map((grouping) => {
    if (grouping === 'day' || grouping === 'month') return sql`buckets.bucket`;
    if (grouping === 'batch' && batch === 'none') return sql`null::text`;
    return sql`dims.${sql.ref(COLUMNS[grouping])}`;
  });
  const joined = isByTime(report.groupBy) ? sql`join buckets on buckets.slot = sums.slot` : sql``;
  return sql`
    (select ${named(keys)}, ${sums('sums', sign)}
    from ${sql.ref(table)} as sums join usage_dims as dims on dims.id = sums.dim ${joined}
    where ${sql.join(conditions(report, 'sums.slot', 'dims'), sql` and `)}
    group by ${sql.join(keys.map((_, index) => sql.lit(index + 1)))})`;
}

function linesPart(report: ReportRequest): Part {
  const keys = report.groupBy.map((grouping) =>
    grouping === 'day' || grouping === 'month' ? localDate(report, sql`at`) : sql.ref(COLUMNS[grouping]),
  );
  return sql`
    (select ${named(keys)}, ${sums('lines')} from usage_deltas as lines
    where ${sql.join(conditions(report, 'lines.at', 'lines'), sql` and `)}
    group by ${sql.join(keys.map((_, index) => sql.lit(index + 1)))})`;
}

const COLUMNS = {
  model: 'model',
  user: 'user_id',
  key: 'api_key_id',
  team: 'owner_id',
  batch: 'batch_id',
  provider: 'connection',
} as const;

function named(keys: readonly Part[]): Part {
  return sql.join(keys.map((key, index) => sql`${key} as ${sql.ref(`key_${index}`)}`));
}

function conditions({ from, to, filter }: ReportRequest, at: string, dims: string): Part[] {
  const all: Part[] = [sql`${sql.ref(at)} >= ${from}`];
  if (to) all.push(sql`${sql.ref(at)} < ${to}`);
  if (filter.ownerId !== undefined) all.push(sql`${sql.ref(`${dims}.owner_id`)} = ${filter.ownerId}`);
  if (filter.userId !== undefined) all.push(sql`${sql.ref(`${dims}.user_id`)} = ${filter.userId}`);
  return all;
}

/** What people's own spaces have in common is that they are no team's. */
function shownKey(grouping: Grouping, index: number): Part {
  const key = sql.ref(`key_${index}`);
  if (grouping === 'team') return sql`(select id from owners where id = ${key} and kind = 'team')`;
  return grouping === 'month' ? sql`to_char(${key}, 'YYYY-MM')` : sql`${key}::text`;
}
