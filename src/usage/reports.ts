import { AppError } from '../core/errors.ts';
import { dayIn, findTimeZone, startOfDay } from '../core/zone.ts';

/** What a report can be broken down by. */
export const GROUPINGS = ['day', 'month', 'model', 'user', 'key', 'team', 'batch', 'provider'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface ReportFilter {
  ownerId?: string | undefined;
  userId?: string | undefined;
}

export interface ReportRequest {
  filter: ReportFilter;
  from: Date;
  /** Not included; undefined: whatever there is. */
  to: Date | undefined;
  groupBy: readonly Grouping[];
  timeZone: string;
  /** Whole days in the zone, from one midnight to another; null: there are none. */
  days: { from: string; to: string | null } | null;
  /** What is left at the ends, as times. */
  ends: { from: Date; to: Date | undefined }[];
}

/** Of jobs that were created, or ended, or paid for in the time of the report. */
export interface Figures {
  created: number;
  completed: number;
  failed: number;
  cancelled: number;
  seconds: number;
  estimated_micros: number;
  held_micros: number;
  charged_micros: number;
  corrected_micros: number;
}

export interface ReportWishes {
  from?: string | undefined;
  to?: string | undefined;
  groupBy?: string | undefined;
  timeZone?: string | undefined;
}

const QUARTER_MS = 15 * 60_000;
const DAY_MS = 24 * 60 * 60_000;

/** A query string as a report that can be made exactly. Throws `invalid_request` naming the field. */
export function readReport(wishes: ReportWishes, filter: ReportFilter, now: number): ReportRequest {
  const timeZone = readTimeZone(wishes.timeZone);
  const groupBy = readGroupings(wishes.groupBy ?? 'day');
  const from = readMoment('from', wishes.from ?? `${dayIn(timeZone, now).slice(0, 7)}-01`, timeZone);
  const to = wishes.to === undefined ? undefined : readMoment('to', wishes.to, timeZone);
  if (to !== undefined && to <= from) throw bad('to', 'to lies after from: it is not included.');
  return {
    filter,
    from: new Date(from),
    to: to === undefined ? undefined : new Date(to),
    groupBy,
    timeZone,
    ...split(from, to, timeZone),
  };
}

/** Throws `invalid_request`. */
export function readTimeZone(name = 'UTC'): string {
  const timeZone = findTimeZone(name);
  if (timeZone === undefined)
    throw bad('timeZone', 'timeZone is the name of a time zone such as Europe/Berlin.');
  return timeZone;
}

export function isTime(grouping: Grouping): boolean {
  return grouping === 'day' || grouping === 'month';
}

function readGroupings(text: string): Grouping[] {
  const names = text.split(',').map((name) => name.trim());
  const groupings = names.map((name) => GROUPINGS.find((known) => known === name));
  const isGood =
    groupings.every((grouping) => grouping !== undefined) && new Set(names).size === names.length;
  if (!isGood || names.length > 2 || (names.includes('day') && names.includes('month')))
    throw bad(
      'groupBy',
      `groupBy is one or two of ${GROUPINGS.join(', ')}, separated by a comma; day or month, not both.`,
    );
  return groupings;
}

/** A day stands for its beginning in the zone. */
function readMoment(field: 'from' | 'to', text: string, zone: string): number {
  // Clocks and the database do not agree on years before that, and nobody asks for them.
  const isDay = /^[1-9]\d{3}-\d{2}-\d{2}$/.test(text);
  const isTime = /^[1-9]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const parsed = isDay ? Date.parse(`${text}T00:00:00Z`) : isTime ? Date.parse(text) : Number.NaN;
  // 30 February is read as a day in March: what comes back must be what went in.
  if (Number.isNaN(parsed) || (isDay && new Date(parsed).toISOString().slice(0, 10) !== text))
    throw bad(field, `${field} is a day such as 2026-11-01 or a time such as 2026-11-01T12:00:00Z.`);
  const at = isDay ? startOfDay(zone, text) : parsed;
  if (at % QUARTER_MS !== 0)
    throw bad(field, `${field} must be on a quarter of an hour: usage is summed up by quarters.`);
  return at;
}

/** Whole days, which are few rows, and what lies before and after them. */
function split(from: number, to: number | undefined, zone: string): Pick<ReportRequest, 'days' | 'ends'> {
  const firstDay = dayIn(zone, from);
  const first = startOfDay(zone, firstDay) === from ? firstDay : nextDay(firstDay);
  const last = to === undefined ? null : dayIn(zone, to);
  if (last !== null && last <= first && to !== undefined && startOfDay(zone, last) !== to)
    return { days: null, ends: [{ from: new Date(from), to: new Date(to) }] };
  const ends = [
    { from: from, to: startOfDay(zone, first) },
    ...(last === null || to === undefined ? [] : [{ from: startOfDay(zone, last), to }]),
  ].filter((end) => end.from < end.to);
  return {
    days: { from: first, to: last },
    ends: ends.map((end) => ({ from: new Date(end.from), to: new Date(end.to) })),
  };
}

function nextDay(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);
}

function bad(param: string, message: string): AppError {
  return new AppError('invalid_request', { message, param });
}
