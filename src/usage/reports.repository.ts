import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import { type Days, factsOf, FIGURES, keyName, type Part } from './report-sources.ts';
import { type Figures, type Grouping, isTime, type ReportRequest } from './reports.ts';
import { zoneOf } from './rollup.repository.ts';

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

/** A report, and the number of its time zone. */
interface Wanted {
  report: ReportRequest;
  zone: number;
}

/** As many as there are customers: with each of their days, a group for nearly every sum. */
const MANIFOLD: ReadonlySet<Grouping> = new Set(['user', 'key', 'team']);

type Row = Record<string, unknown>;

/** Reads the sums and the lines that are not in them yet, of one moment: exact to when it begins. */
export async function readUsage(db: Kysely<DB>, report: ReportRequest, page: ReportPage): Promise<Report> {
  const zone = await zoneOf(db, report.timeZone);
  // Too many zones are summed up already: the quarters know every one.
  const wanted =
    zone === undefined
      ? { report: { ...report, days: null, ends: [{ from: report.from, to: report.to }] }, zone: 0 }
      : { report, zone };
  const { groupBy } = report;
  const isLong = groupBy.includes('day') && groupBy.some((by) => MANIFOLD.has(by));
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      // Compiling takes longer than what it would save; hashing what there is must not go to disk.
      await sql`select set_config('jit', 'off', true), set_config('work_mem', '64MB', true)`.execute(tx);
      return isLong ? readByDays(tx, wanted, page) : readAtOnce(tx, wanted, page);
    });
}

interface CountedDay {
  day: string;
  groups: number;
}

/** So many groups are counted by day, and only the days of the page are summed up. */
async function readByDays(tx: Transaction<DB>, wanted: Wanted, page: ReportPage): Promise<Report> {
  const { report } = wanted;
  const { groupBy } = report;
  const day = keyName(groupBy.indexOf('day'));
  const counted = await sql<CountedDay>`
    select ${day}::text as day, count(*) as groups
    from (select distinct ${keysOf(groupBy)} from (${factsOf({ ...wanted, groupBy })}) as facts) as found
    group by ${day} order by ${day}`.execute(tx);
  const all = await sql<Row>`select ${sums()} from (${factsOf({ ...wanted, groupBy: [] })}) as facts`.execute(
    tx,
  );
  const { within, skipped, groupCount } = daysOf(counted.rows, page);
  const groups = within
    ? await sql<Row>`select ${keyTexts(groupBy)}, ${figures()} from (${summed({ ...wanted, groupBy, within })}) as found
        order by ${orderOf(groupBy)} limit ${page.limit} offset ${page.offset - skipped}`.execute(tx)
    : { rows: [] };
  return {
    groupCount,
    total: figuresOf(all.rows[0] ?? {}),
    groups: groups.rows.map((row) => groupOf(row, groupBy)),
  };
}

/** The days on which a page's groups lie, and how many groups lie on the days before. */
function daysOf(counted: readonly CountedDay[], { limit, offset }: ReportPage) {
  let groupCount = 0;
  let skipped = 0;
  let within: Days | undefined;
  for (const { day, groups } of counted) {
    const isBefore = groupCount + groups <= offset;
    const isBehind = groupCount >= offset + limit;
    if (isBefore) skipped += groups;
    else if (!isBehind) within = { first: within?.first ?? day, last: day };
    groupCount += groups;
  }
  return { within, skipped, groupCount };
}

async function readAtOnce(tx: Transaction<DB>, wanted: Wanted, page: ReportPage): Promise<Report> {
  const { groupBy } = wanted.report;
  const total = FIGURES.map((name) => sql`coalesce(sum(${sql.ref(name)}), 0) as ${sql.ref(`total_${name}`)}`);
  const { rows } = await sql<Row>`
    with ${groupBy.includes('batch') ? batched(wanted) : sql`everything as materialized (${summed({ ...wanted, groupBy })}), groups as (table everything)`}
    select total.*, page.* from (
      select (select count(*) from groups) as group_count, ${sql.join(total)} from everything
    ) as total left join lateral (
      select ${keyTexts(groupBy)}, ${figures()} from groups
      order by ${orderOf(groupBy)} limit ${page.limit} offset ${page.offset}
    ) as page on true`.execute(tx);
  const [any = {}] = rows;
  return {
    groupCount: Number(any['group_count']),
    total: figuresOf(any, 'total_'),
    groups: rows.filter((row) => row['created'] !== null).map((row) => groupOf(row, groupBy)),
  };
}

/** Each batch has its part, and what was in none is everything less all of them: sums of few rows. */
function batched(wanted: Wanted): Part {
  const { groupBy } = wanted.report;
  const negated = [
    ...groupBy.map((by, index) => (by === 'batch' ? sql`null` : keyName(index))),
    ...FIGURES.map((name) => sql`-${sql.ref(name)}`),
  ];
  return sql`everything as materialized (${summed({ ...wanted, groupBy })}),
    batches as materialized (${summed({ ...wanted, groupBy, inBatch: true })}),
    groups as materialized (
      table batches union all
      select ${keysOf(groupBy)}, ${sums()}
      from (table everything union all select ${sql.join(negated)} from batches) as facts
      group by ${keysOf(groupBy)}
      having ${sql.join(
        FIGURES.map((name) => sql`sum(${sql.ref(name)}) <> 0`),
        sql` or `,
      )}
    )`;
}

function summed(wanted: Parameters<typeof factsOf>[0]): Part {
  const keys = keysOf(wanted.groupBy);
  return sql`select ${keys}, ${sums()} from (${factsOf(wanted)}) as facts group by ${keys}`;
}

function keysOf(groupBy: readonly Grouping[]): Part {
  return sql.join(groupBy.map((_, index) => keyName(index)));
}

function keyTexts(groupBy: readonly Grouping[]): Part {
  return sql.join(
    groupBy.map((by, index) =>
      by === 'month'
        ? sql`to_char(${keyName(index)}, 'YYYY-MM') as ${keyName(index)}`
        : sql`${keyName(index)}::text as ${keyName(index)}`,
    ),
  );
}

/** As time goes by, or the dearest first. */
function orderOf(groupBy: readonly Grouping[]): Part {
  const time = groupBy.findIndex(isTime);
  const others = groupBy.map((_, index) => index).filter((index) => index !== time);
  const first = time === -1 ? sql`charged_micros desc` : keyName(time);
  return sql.join([first, ...others.map(keyName)]);
}

function sums(): Part {
  return sql.join(FIGURES.map((name) => sql`sum(${sql.ref(name)}) as ${sql.ref(name)}`));
}

function figures(): Part {
  return sql.join(FIGURES.map((name) => sql.ref(name)));
}

function groupOf(row: Row, groupBy: readonly Grouping[]): Group {
  const keys = groupBy.map((_, index) => row[`key_${index}`] as string | null);
  return Object.assign(figuresOf(row), { keys });
}

function figuresOf(row: Row, prefix = ''): Figures {
  const entries = FIGURES.map((name) => [name, Number(row[prefix + name] ?? 0)]);
  return Object.fromEntries(entries) as unknown as Figures;
}
