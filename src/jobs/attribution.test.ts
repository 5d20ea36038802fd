import { describe, expect, it } from 'vitest';
import type { Fit, ListedVideo } from '../providers/listed-video.ts';
import type { Plan } from '../providers/provider.ts';
import { attribute, type Sight } from './attribution.ts';
import { GRACE_MS } from './calls.ts';
import type { Doubtful } from './claims.ts';

const SENT = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;

function doubtful(id: string, more: Partial<Doubtful> & { words?: string } = {}): Doubtful {
  const { words = 'a boat', ...rest } = more;
  const plan: Plan = {
    upstreamModel: 'sora-2',
    seconds: 4,
    size: { width: 720, height: 1280 },
    request: { prompt: words },
    quoteMicros: 0,
  };
  return { id, plan, hasInputs: false, span: { from: SENT, to: SENT + 2000 }, isAlive: false, ...rest };
}

/** A listed video with these words: a match for a plan with the same, near for one that goes on. */
function listed(id: string, more: Partial<ListedVideo> & { words?: string; fit?: Fit } = {}): ListedVideo {
  const { words = 'a boat', fit, ...rest } = more;
  return {
    operation: { id },
    createdAt: SENT + 1000,
    marker: undefined,
    shown: { id },
    fits: ({ request }) => {
      if (fit) return fit;
      if (request.prompt === words) return 'match';
      return String(request.prompt).startsWith(words) ? 'near' : 'other';
    },
    ...rest,
  };
}

function judge(sight: Partial<Sight>) {
  const now = SENT + 2 * GRACE_MS;
  return attribute({
    wanted: doubtful('att_a'),
    rivals: [],
    unclaimed: [],
    landmarks: [],
    completeness: { by: 'promise' },
    now,
    servedAt: now,
    ...sight,
  });
}

const found = (id: string) => ({ outcome: 'found', operation: { id } });
const unknown = { outcome: 'unknown' };
const absent = { outcome: 'absent' };

describe('a video is an attempt’s own', () => {
  it('when it fits and nothing else does', () => {
    expect(judge({ unclaimed: [listed('v')] })).toEqual(found('v'));
  });

  it('when it carries its marker, whatever it looks like', () => {
    const picture = doubtful('att_a', { hasInputs: true });
    const marked = listed('v', { marker: 'att_a', fit: 'other', createdAt: undefined });
    expect(judge({ wanted: picture, unclaimed: [marked] })).toEqual(found('v'));
  });

  it('never on its words alone when it has a picture: a person decides', () => {
    const wanted = doubtful('att_a', { hasInputs: true });
    expect(judge({ wanted, unclaimed: [listed('v')] })).toMatchObject({
      ...unknown,
      candidates: [{ shown: { id: 'v' } }],
    });
  });

  it('not while a rival that it fits may still be answered', () => {
    expect(judge({ unclaimed: [listed('v')], rivals: [doubtful('att_b', { isAlive: true })] })).toMatchObject(
      unknown,
    );
  });

  it('not when it may be the video of another person’s picture', () => {
    expect(
      judge({ unclaimed: [listed('v')], rivals: [doubtful('att_b', { hasInputs: true })] }),
    ).toMatchObject(unknown);
  });

  it('not when it may be a rival’s, cut short', () => {
    const rival = doubtful('att_b', { words: 'a boat at dawn' });
    expect(judge({ unclaimed: [listed('v')], rivals: [rival] })).toMatchObject(unknown);
  });

  it('although rivals with other words are in doubt too', () => {
    const rival = doubtful('att_b', { words: 'a train', isAlive: true });
    expect(judge({ unclaimed: [listed('v')], rivals: [rival] })).toEqual(found('v'));
  });

  it('as each of several equal ones has its own, in the order of their calls', () => {
    const first = doubtful('att_1', { span: { from: SENT - 10, to: SENT } });
    const second = doubtful('att_2');
    const unclaimed = [listed('newer', { createdAt: SENT + 2000 }), listed('older')];
    expect(judge({ wanted: first, rivals: [second], unclaimed })).toEqual(found('older'));
    expect(judge({ wanted: second, rivals: [first], unclaimed })).toEqual(found('newer'));
    expect(judge({ wanted: first, rivals: [second], unclaimed: [listed('one')] })).toEqual(found('one'));
    expect(judge({ wanted: second, rivals: [first], unclaimed: [listed('one')] })).toMatchObject(unknown);
  });

  it('not when there are more equal videos than equal attempts: one is another program’s', () => {
    expect(judge({ unclaimed: [listed('v'), listed('w')] })).toMatchObject(unknown);
  });

  it('when several requests that may be mixed up are all explained, and in one way only', () => {
    const [long, cut] = [doubtful('att_long', { words: 'a boat at dawn' }), doubtful('att_cut')];
    const [theirs, own] = [listed('long', { words: 'a boat at dawn' }), listed('cut')];
    const both = [theirs, own];
    expect(judge({ wanted: cut, rivals: [long], unclaimed: both })).toEqual(found('cut'));
    expect(judge({ wanted: long, rivals: [cut], unclaimed: both })).toEqual(found('long'));
    const either = [listed('v', { fit: 'match' }), listed('w', { fit: 'match' })];
    expect(judge({ wanted: cut, rivals: [long], unclaimed: either })).toMatchObject(unknown);
    const picture = doubtful('att_picture', { hasInputs: true });
    expect(judge({ wanted: cut, rivals: [long, picture], unclaimed: both })).toMatchObject(unknown);
  });

  it('not when it was created far from the calls', () => {
    expect(judge({ unclaimed: [listed('v', { createdAt: SENT - 5 * 60_000 })] })).toMatchObject(unknown);
  });
});

describe('an attempt was not taken', () => {
  it('when the list shows everything and nothing in it could be its own', () => {
    expect(judge({})).toEqual({ outcome: 'absent', completeness: { by: 'promise' } });
  });

  it.each<[string, Partial<ListedVideo> & { words?: string; fit?: Fit }]>([
    ['other words', { words: 'a train' }],
    ['nothing in common', { fit: 'other' }],
    ['no time', { createdAt: undefined }],
    ['no id', { operation: undefined, fit: 'other' }],
    ['a clock five minutes slow', { createdAt: SENT - 5 * 60_000 }],
    ['a clock fast by an hour', { createdAt: SENT + HOUR, fit: 'other' }],
  ])('is never said while a video is unclaimed, with %s', (_what, video) => {
    expect(judge({ unclaimed: [listed('v', video)] })).toMatchObject({ ...unknown, candidates: [{}] });
  });

  it('is said beside videos that were certainly there before, or carry another marker', () => {
    const old = listed('v', { createdAt: SENT - 2 * HOUR });
    const marked = listed('w', { marker: 'att_of_another_installation' });
    expect(judge({ unclaimed: [old, marked] })).toMatchObject(absent);
  });

  it('is not said while a call may be under way, the list may be late, or may not show everything', () => {
    expect(judge({ wanted: doubtful('att_a', { isAlive: true }) })).toMatchObject(unknown);
    expect(judge({ now: SENT + 2000 + GRACE_MS - 1 })).toMatchObject(unknown);
    expect(judge({ completeness: undefined })).toMatchObject(unknown);
  });
});
