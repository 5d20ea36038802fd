import { AppError } from '../core/errors.ts';
import { dayIn, isTimeZone, startOfDay, zoneOffsetMs } from '../core/zone.ts';

/** What a report can be broken down by. */
export const GROUPINGS = ['day', 'month', 'model', 'user', 'key', 'team', 'batch', 'provider'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** The sums by quarter of an hour, hour and day (UTC): the wider, the fewer rows. */
export type Grain = 'usage_quarters' | 'usage_hours' | 'usage_days';

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
  grain: Grain;
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
const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** Summer time lasts longer than this, everywhere. */
const OFFSETS_EVERY_MS = 7 * DAY_MS;

/** A query string as a report that can be made exactly. Throws `invalid_request` naming the field. */
export function readReport(wishes: ReportWishes, filter: ReportFilter, now: number): ReportRequest {
  const { timeZone = 'UTC' } = wishes;
  if (!isTimeZone(timeZone))
    throw bad('timeZone', 'timeZone is the name of a time zone such as Europe/Berlin.');
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
    grain: grainFor(from, to, now, isByTime(groupBy) ? timeZone : undefined),
  };
}

export function isByTime(groupBy: readonly Grouping[]): boolean {
  return groupBy.some((grouping) => grouping === 'day' || grouping === 'month');
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
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const parsed = isDay ? Date.parse(`${text}T00:00:00Z`) : isTime ? Date.parse(text) : Number.NaN;
  // 30 February is read as a day in March: what comes back must be what went in.
  if (Number.isNaN(parsed) || (isDay && new Date(parsed).toISOString().slice(0, 10) !== text))
    throw bad(field, `${field} is a day such as 2026-11-01 or a time such as 2026-11-01T12:00:00Z.`);
  const at = isDay ? startOfDay(zone, text) : parsed;
  if (at % QUARTER_MS !== 0)
    throw bad(field, `${field} must be on a quarter of an hour: usage is summed up by quarters.`);
  return at;
}

/** The widest sums of which none lies across a limit of the report or, with a zone, across its midnights. */
function grainFor(from: number, to: number | undefined, now: number, zone: string | undefined): Grain {
  const limits = to === undefined ? [from] : [from, to];
  if (zone !== undefined) {
    const end = Math.max(to ?? now + DAY_MS, from);
    for (let at = from; at < end; at += OFFSETS_EVERY_MS) limits.push(zoneOffsetMs(zone, at));
    limits.push(zoneOffsetMs(zone, end));
  }
  if (limits.every((at) => at % DAY_MS === 0)) return 'usage_days';
  return limits.every((at) => at % HOUR_MS === 0) ? 'usage_hours' : 'usage_quarters';
}

function bad(param: string, message: string): AppError {
  return new AppError('invalid_request', { message, param });
}
