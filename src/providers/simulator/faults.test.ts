import { describe, expect, it } from 'vitest';
import { drawFaults, FAULTS, faultTags, parseFaultRates } from './faults.ts';
import { createGate } from './gate.ts';

describe('faults', () => {
  it('reads the tags of a prompt', () => {
    expect(faultTags('a [sim:fail] b [SIM:Stuck][sim:fail] [sim:nonsense]')).toEqual(['fail', 'stuck']);
    expect(faultTags('a boat')).toEqual([]);
  });

  it('parses rates', () => {
    expect(parseFaultRates(' 429=0.1, lost-answer=0.02,stuck,')).toEqual({
      '429': 0.1,
      'lost-answer': 0.02,
      stuck: 1,
    });
    expect(parseFaultRates('')).toEqual({});
  });

  it.each(['nope=1', '429=2', '429=x', '429=', '=1', '429=-1'])('refuses %s', (text) => {
    expect(() => parseFaultRates(text)).toThrow(RangeError);
  });

  it('draws about as often as asked', () => {
    const hits = Array.from({ length: 2000 }, (_, n) => drawFaults('x', `${n}`, 7, { stuck: 0.25 })).flat();
    expect(hits.length).toBeGreaterThan(400);
    expect(hits.length).toBeLessThan(600);
  });

  it('describes every fault in one sentence', () => {
    for (const fault of Object.values(FAULTS)) expect(fault.does).toMatch(/^[A-Z].*\.$/);
  });
});

describe('the gate', () => {
  it('lets everything in without faults', () => {
    expect(createGate({ seed: 1, rates: {} })('a boat', 'k')).toBe('accept');
  });

  it('loses the answer of a key once', () => {
    const gate = createGate({ seed: 1, rates: {} });
    expect([1, 2].map(() => gate('[sim:lost-answer]', 'k'))).toEqual(['lost-answer', 'accept']);
    expect(gate('[sim:500-accepted]', 'other')).toBe('500-accepted');
  });

  it('throws its dice anew for every send of a key', () => {
    const gate = createGate({ seed: 1, rates: { '429': 0.5 } });
    const verdicts = Array.from({ length: 20 }, () => gate('x', 'the same key'));
    expect(new Set(verdicts)).toEqual(new Set(['accept', '429']));
  });

  it('keeps refusing what it refuses', () => {
    const gate = createGate({ seed: 1, rates: { refused: 0.5 } });
    for (const key of ['a', 'b', 'c', 'd']) expect(gate('x', key)).toBe(gate('x', key));
  });
});
