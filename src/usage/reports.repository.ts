import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Figures, Grouping, ReportRequest } from './reports.ts';
import { zoneOf } from './rollup.repository.ts';

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

/** Where figures are read: the columns of its dimensions, its time, and what else it is narrowed by. */
interface Source {
  from: Part;
  bucket: Part;
  batch: Part;
  /** What the columns of the dimensions belong to. */
  dims: string;
  figures: string;
  where: Part[];
}

/** Reads the sums and the lines that are not in them yet, in one statement: exact to the moment it begins. */
export async function readUsage(db: Kysely<DB>, wanted: ReportRequest, page: ReportPage): Promise<Report> {
  const zone = await zoneOf(db, wanted.timeZone);
  // Too many zones are summed up already: the quarters know every one.
  const report =
    zone === undefined ? { ...wanted, days: null, ends: [{ from: wanted.from, to: wanted.to }] } : wanted;
  const query = reportQuery(report, zone ?? 0, page);
  const rows = await db.transaction().execute(async (tx) => {
    // Compiling takes longer than what it would save; hashing what there is must not go to disk.
    await sql`select set_config('jit', 'off', true), set_config('work_mem', '64MB', true)`.execute(tx);
    return (await query.execute(tx)).rows;
  });
  const [any = {}] = rows;
  const groups = rows.filter((row) => row['created'] !== null);
  return {
    groupCount: Number(any['group_count']),
    total: figuresOf(any, 'total_'),
    groups: groups.map((row) =>
      Object.assign(figuresOf(row, ''), {
        keys: report.groupBy.map((_, index) => row[`key_${index}`] as string | null),
      }),
    ),
  };
}

function figuresOf(row: Record<string, unknown>, prefix: string): Figures {
  const entries = FIGURES.map((name) => [name, Number(row[prefix + name] ?? 0)]);
  return Object.fromEntries(entries) as unknown as Figures;
}

function reportQuery(report: ReportRequest, zone: number, page: ReportPage) {
  const { groupBy } = report;
  const keys = groupBy.map((_, index) => sql.ref(`key_${index}`));
  const [first] = groupBy;
  // Of the table and not of the shown texts, which take longer to compare.
  const places = groupBy.map((_, index) => sql.ref(`found.key_${index}`));
  const order = first === 'day' || first === 'month' ? places : [sql`found.charged_micros desc`, ...places];
  const found = sql.ref(groupBy.includes('team') ? 'teams' : 'groups');
  const all = sourcesOf(report, zone, 'usage_days');
  // Everything is read without its batch; of what was in one, each batch gets its part and the rest of all loses it.
  const parts = groupBy.includes('batch')
    ? sql`${unionOf(all, groupBy, false)} union all table batched union all
        select ${sql.join(groupBy.map((by, index) => (by === 'batch' ? sql`null` : sql.ref(`key_${index}`))))},
          ${sql.join(FIGURES.map((name) => sql`-${sql.ref(name)}`))} from batched`
    : unionOf(all, groupBy, false);
  const batched = sql`select ${sql.join(keys)}, ${sums()} from (
      ${unionOf(sourcesOf(report, zone, 'usage_batches'), groupBy, true)}
    ) as facts group by ${sql.join(keys)}`;
  const shown = groupBy.map((by, index) => sql`${shownKey(by, index)} as ${sql.ref(`key_${index}`)}`);
  const totals = FIGURES.map(
    (name) => sql`coalesce(sum(${sql.ref(name)}), 0) as ${sql.ref(`total_${name}`)}`,
  );
  return sql<Record<string, unknown>>`
    with ${groupBy.includes('batch') ? sql`batched as materialized (${batched}),` : sql``}
    groups as materialized (
      select ${sql.join(keys)}, ${sums()} from (${parts}) as facts group by ${sql.join(keys)}
      having ${sql.join(
        FIGURES.map((name) => sql`sum(${sql.ref(name)}) <> 0`),
        sql` or `,
      )}
    )${groupBy.includes('team') ? sql`, teams as materialized (${teams(shown, keys)})` : sql``}
    select total.*, page.* from (
      select count(*) as group_count, ${sql.join(totals)} from ${found}
    ) as total left join lateral (
      select ${sql.join(groupBy.map((by, index) => textOf(by, index)))}, ${sql.join(FIGURES.map((name) => sql.ref(name)))}
      from ${found} as found order by ${sql.join(order)} limit ${page.limit} offset ${page.offset}
    ) as page on true`;
}

function sums(): Part {
  return sql.join(FIGURES.map((name) => sql`sum(${sql.ref(name)}) as ${sql.ref(name)}`));
}

/** What people's own spaces have in common is that they are no team's. */
function teams(shown: readonly Part[], keys: readonly Part[]): Part {
  const figures = sql.join(FIGURES.map((name) => sql.ref(name)));
  return sql`select ${sql.join(keys)}, ${sums()} from (select ${sql.join(shown)}, ${figures} from groups) as named
    group by ${sql.join(keys)}`;
}

function shownKey(grouping: Grouping, index: number): Part {
  const key = sql.ref(`key_${index}`);
  return grouping === 'team' ? sql`(select id from owners where id = ${key} and kind = 'team')` : key;
}

function textOf(grouping: Grouping, index: number): Part {
  const key = sql.ref(`key_${index}`);
  return grouping === 'month' ? sql`to_char(${key}, 'YYYY-MM') as ${key}` : sql`${key}::text as ${key}`;
}

/** Whole days from their sums, the ends from the quarters, and the lines that wait for their place in either. */
function sourcesOf(report: ReportRequest, zone: number, table: 'usage_days' | 'usage_batches'): Source[] {
  const { filter, timeZone, days, ends } = report;
  const inBatch = table === 'usage_batches';
  const local = (at: Part) => sql`(${at} at time zone ${timeZone})::date`;
  const mine = (dims: string) => [
    ...(filter.ownerId === undefined ? [] : [sql`${sql.ref(`${dims}.owner_id`)} = ${filter.ownerId}`]),
    ...(filter.userId === undefined ? [] : [sql`${sql.ref(`${dims}.user_id`)} = ${filter.userId}`]),
  ];
  const sources: Source[] = [];
  if (days) {
    sources.push({
      from: sql`${sql.ref(table)} as sums join usage_dims as dims on dims.id = sums.dim`,
      bucket: sql`sums.day`,
      batch: sql`sums.batch_id`,
      dims: 'dims',
      figures: 'sums',
      where: [
        sql`sums.zone = ${zone} and sums.day >= ${days.from}`,
        ...(days.to === null ? [] : [sql`sums.day < ${days.to}`]),
        ...mine('dims'),
      ],
    });
  }
  for (const end of ends) {
    sources.push({
      from: sql`usage_quarters as sums join usage_dims as dims on dims.id = sums.dim`,
      bucket: local(sql`sums.slot`),
      batch: sql`sums.batch_id`,
      dims: 'dims',
      figures: 'sums',
      where: [
        ...between(sql`sums.slot`, end),
        ...(inBatch ? [sql`sums.batch_id is not null`] : []),
        ...mine('dims'),
      ],
    });
  }
  sources.push({
    from: sql`usage_deltas as lines`,
    bucket: local(sql`lines.at`),
    batch: sql`lines.batch_id`,
    dims: 'lines',
    figures: 'lines',
    where: [
      ...between(sql`lines.at`, report),
      ...(inBatch ? [sql`lines.batch_id is not null`] : []),
      ...mine('lines'),
    ],
  });
  return sources;
}

function between(at: Part, { from, to }: { from: Date; to: Date | undefined }): Part[] {
  return [sql`${at} >= ${from}`, ...(to ? [sql`${at} < ${to}`] : [])];
}

const COLUMNS = {
  model: 'model',
  user: 'user_id',
  key: 'api_key_id',
  team: 'owner_id',
  provider: 'connection',
} as const;

function unionOf(sources: readonly Source[], groupBy: readonly Grouping[], withBatch: boolean): Part {
  const selects = sources.map((source) => {
    const keys = groupBy.map((by, index) => {
      const name = sql.ref(`key_${index}`);
      if (by === 'day') return sql`${source.bucket} as ${name}`;
      if (by === 'month') return sql`date_trunc('month', ${source.bucket}::timestamp)::date as ${name}`;
      if (by === 'batch') return withBatch ? sql`${source.batch} as ${name}` : sql`null::text as ${name}`;
      return sql`${sql.ref(`${source.dims}.${COLUMNS[by]}`)} as ${name}`;
    });
    // Whole numbers in doubles: exact as far as we are (2^53), and summed up several times as fast as big integers.
    const figures = FIGURES.map(
      (name) => sql`${sql.ref(`${source.figures}.${name}`)}::float8 as ${sql.ref(name)}`,
    );
    return sql`select ${sql.join(keys)}, ${sql.join(figures)} from ${source.from} where ${sql.join(source.where, sql` and `)}`;
  });
  return sql.join(selects, sql` union all `);
}
