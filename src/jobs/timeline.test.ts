import { describe, expect, it } from 'vitest';
import { createTimeline } from './timeline.ts';

const SENT = Date.UTC(2026, 10, 20);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const span = { from: SENT, to: SENT + 2000 };
const now = SENT + 2 * MINUTE;

describe('a provider’s times beside ours', () => {
  it('proves nothing within a day where the provider does not tell its time', () => {
    const { isOlder, isNewer } = createTimeline({ span, now, servedAt: undefined, landmarks: [] });
    expect(isOlder(SENT - 25 * HOUR)).toBe(false);
    expect(isOlder(SENT - 27 * HOUR)).toBe(true);
    expect(isNewer(SENT + 27 * HOUR)).toBe(false);
  });

  it.each([0, 3 * HOUR, -3 * HOUR])('goes by the time that it tells (%i ms beside ours)', (beside) => {
    const { isOlder, isNear } = createTimeline({ span, now, servedAt: now + beside, landmarks: [] });
    expect(isNear(SENT + beside + 1000)).toBe(true);
    expect(isOlder(SENT + beside - 5 * MINUTE)).toBe(false);
    // By both clocks, since the one that stamps videos may be either.
    expect(isOlder(SENT - Math.abs(beside) - 2 * HOUR)).toBe(true);
  });

  it('goes by what it has accepted: each such video ties its clock to ours', () => {
    const landmarks = [
      { createdAt: SENT - 7 * HOUR - MINUTE, from: SENT - MINUTE, to: SENT - MINUTE + 3000 },
    ];
    const { isOlder, isNewer, isNear } = createTimeline({ span, now, servedAt: now, landmarks });
    const theirs = (ours: number) => ours - 7 * HOUR;
    expect(isNear(theirs(SENT))).toBe(true);
    expect(isNear(SENT)).toBe(false);
    expect(isOlder(theirs(SENT - 5 * MINUTE))).toBe(false);
    expect(isOlder(theirs(SENT - 20 * MINUTE))).toBe(true);
    expect(isNewer(theirs(SENT + 10 * MINUTE))).toBe(false);
    expect(isNewer(theirs(SENT + HOUR))).toBe(true);
  });
});
