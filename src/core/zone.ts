const DAY_MS = 24 * 60 * 60_000;

/**
 * A time zone by its name, such as `Europe/Berlin`; undefined when there is none of it. Bare offsets are none: PostgreSQL
 * reads them reversed. Short names are resolved: to PostgreSQL `CET` never has a summer, and `IST` is in Israel. However it is
 * written, a zone is one.
 */
export function findTimeZone(name: string): string | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
  try {
    const { timeZone } = clockOf(name).resolvedOptions();
    const isAlias = timeZone.toLowerCase() !== name.toLowerCase();
    return isAlias && name.includes('/') ? name : timeZone;
  } catch {
    return undefined;
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  // Names are checked before, but they are many: this is a memory, not a register.
  if (clocks.size > 100) clocks.clear();
  clocks.set(zone, made);
  return made;
}

/** By how many ms the zone's clocks are ahead of UTC at a moment. */
export function zoneOffsetMs(zone: string, at: number): number {
  const parts = Object.fromEntries(
    clockOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}

/** When a day (`2026-11-21`) begins in a zone: the first of two midnights; where clocks skip it, the first moment after. */
export function startOfDay(zone: string, day: string): number {
  const midnight = Date.parse(`${day}T00:00:00Z`);
  const before = zoneOffsetMs(zone, midnight - DAY_MS);
  const begin = midnight - before;
  // Unless clocks were changed earlier on that day, or are set back to the day before in that very moment.
  const isReached = zoneOffsetMs(zone, begin - 1) === before && dayIn(zone, begin) === day;
  return isReached ? begin : midnight - zoneOffsetMs(zone, begin);
}

/** The day (`2026-11-21`) that a moment falls on in a zone. */
export function dayIn(zone: string, at: number): string {
  return new Date(at + zoneOffsetMs(zone, at)).toISOString().slice(0, 10);
}
