import { describe, expect, it } from 'vitest';
import { MediaError } from '../media/media-error.ts';
import { ProviderError } from '../providers/provider.ts';
import {
  doubtOfFile,
  doubtOfPoll,
  isOutage,
  isProven,
  nextFetchAt,
  type Trouble,
  yieldsPlace,
} from './patience.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A trouble that began at 0, said so often until `lastMinutes`. */
const trouble = (looks: number, lastMinutes = 0, change: Partial<Trouble> = {}): Trouble => ({
  since: new Date(0),
  sameSince: new Date(0),
  calmSince: new Date(0),
  looks,
  lacked: false,
  lastAt: new Date(lastMinutes * MINUTE),
  ...change,
});

const gone = doubtOfPoll(new ProviderError('gone', 'not_found', 'No such video.', { named: true }), false);
const said500 = new ProviderError('ambiguous', 'oh', 'The upstream answered 500: oh', { named: true });
const page = new ProviderError('ambiguous', 'http_404', 'The upstream answered 404');

describe('a verdict', () => {
  it('on a lost video takes ten minutes and five looks, both', () => {
    expect(isProven(gone, trouble(99), 10 * MINUTE - 1, false)).toBe(false);
    expect(isProven(gone, trouble(4), HOUR, false)).toBe(false);
    expect(isProven(gone, trouble(5), 10 * MINUTE, false)).toBe(true);
  });

  it('is never made of what says nothing about the video', () => {
    expect(isProven(doubtOfPoll(page, true), trouble(999), 99 * HOUR, false)).toBe(false);
    expect(isProven(doubtOfFile(page), trouble(999), 99 * HOUR, false)).toBe(false);
    expect(isProven(doubtOfFile(new Error('disk full')), trouble(999), 99 * HOUR, false)).toBe(false);
  });

  it('may be made of any error in the provider’s own words where its complete list lacks the video too', () => {
    expect(doubtOfPoll(said500, true)).toMatchObject({ kind: 'gone', code: 'upstream_lost_job' });
    expect(doubtOfPoll(said500, false)).toMatchObject({ kind: 'named', code: 'oh' });
  });

  it('waits for an outage to end, and for as long again; one without an end is none', () => {
    const calm = trouble(50, 0, { calmSince: new Date(HOUR) });
    expect(isProven(gone, calm, HOUR + 9 * MINUTE, false)).toBe(false);
    expect(isProven(gone, calm, HOUR + 10 * MINUTE, false)).toBe(true);
    expect(isProven(gone, trouble(999), 5 * HOUR, true)).toBe(false);
    expect(isProven(gone, trouble(999), 6 * HOUR, true)).toBe(true);
    expect(isProven(gone, trouble(999, 0, { lacked: true }), HOUR, true)).toBe(true);
  });

  it('on a file takes hours where it may be late, and minutes where the words are the same each time or it is no video', () => {
    const missing = doubtOfFile(new ProviderError('gone', 'no_output', 'None.', { named: true }));
    expect(isProven(missing, trouble(99), 2 * HOUR - 1, false)).toBe(false);
    expect(isProven(missing, trouble(99), 2 * HOUR, false)).toBe(true);
    expect(isProven(doubtOfFile(said500), trouble(10), 10 * MINUTE, false)).toBe(true);
    const bad = doubtOfFile(new MediaError('media_invalid', 'No video.'));
    expect(isProven(bad, trouble(3), 5 * MINUTE - 1, false)).toBe(false);
    expect(isProven(bad, trouble(3), 5 * MINUTE, true)).toBe(true);
  });
});

describe('an outage', () => {
  it.each([
    [3, 3, false],
    [4, 4, true],
    [4, 40, false],
    [5, 40, true],
    [600, 5000, true],
    [400, 5000, false],
  ])('%i of %i: %s', (troubled, all, is) => expect(isOutage(troubled, all)).toBe(is));
});

describe('a place', () => {
  const named = doubtOfPoll(said500, false);

  it('is given up for what the provider says of this video again and again; in an outage only after an hour', () => {
    expect(yieldsPlace(named, trouble(10), 10 * MINUTE, false)).toBe(true);
    expect(yieldsPlace(named, trouble(9), HOUR, false)).toBe(false);
    expect(yieldsPlace(named, trouble(99), 59 * MINUTE, true)).toBe(false);
    expect(yieldsPlace(named, trouble(99), HOUR, true)).toBe(true);
    expect(yieldsPlace(doubtOfPoll(page, false), trouble(99), 9 * HOUR, false)).toBe(false);
  });
});

describe('the next try for a file', () => {
  it('comes soon at first and every five minutes later on', () => {
    const after = (minutes: number) => nextFetchAt('missing', trouble(2, minutes)) - minutes * MINUTE;
    expect([0, 1, 10, 300].map(after)).toEqual([0, 6000, MINUTE, 5 * MINUTE]);
  });

  it('for one that was no video: after a minute, then when it would be believed', () => {
    expect(nextFetchAt('upstream_file_invalid', trouble(1))).toBe(MINUTE);
    expect(nextFetchAt('upstream_file_invalid', trouble(2, 1))).toBe(5 * MINUTE);
  });
});
