import { describe, expect, it } from 'vitest';
import { DEFAULT_FAULTS } from './ask.ts';
import type { Verdict } from './judge.ts';
import { namedSteps } from './named-steps.ts';
import { PAUSES } from './pause-points.ts';
import { fencing } from './pauses.ts';
import { violations } from './report.ts';
import { randomKills } from './run.ts';
import { doubleDeletes } from './scenarios/double-deletes.ts';
import { mixedFiles } from './scenarios/mixed-files.ts';
import { tableOfScenarios } from './scenarios/report-scenarios.ts';
import { playScenario, scenarioHolds } from './scenarios/scenario.ts';
import { STEPS } from './steps.ts';

/** A short run of `npm run crash-test`. Nothing here depends on how long anything takes. */
const TIMEOUT_MS = 400_000;
const say = () => {};

function expectNothingWrong(verdict: Verdict): void {
  expect(violations(verdict)).toEqual([]);
  expect(verdict.acknowledged).toBe(verdict.asked);
}

// Side by side: each spends most of its time waiting for a heartbeat to be missed.
describe.concurrent('a product that is killed', { timeout: TIMEOUT_MS }, () => {
  it('loses nothing and pays for nothing twice, whenever it happens', async () => {
    const result = await randomKills({
      mode: 'one',
      seed: 8,
      kills: 8,
      jobs: 10,
      faults: DEFAULT_FAULTS,
      everyMs: 1500,
      say,
    });
    expect(result.toll.kills).toBe(8);
    expect(result.verdict.asked).toBeGreaterThan(0);
    expectNothingWrong(result.verdict);
  });

  it('goes on from each of a few exact steps', async () => {
    const steps = STEPS.filter(({ quick }) => quick);
    const result = await namedSteps({ mode: 'one', steps, say });
    expect(result.steps.filter(({ ok }) => !ok)).toEqual([]);
    expectNothingWrong(result.verdict);
  });

  it.skipIf(process.platform === 'win32')(
    'pays once when a worker is only paused, and wakes up',
    async () => {
      const pauses = PAUSES.filter(({ quick }) => quick);
      const result = await fencing({ pauses, say });
      expect(result.pauses.filter(({ fired, creations }) => !fired || creations !== 1)).toEqual([]);
      expectNothingWrong(result.verdict);
    },
  );

  it.for([doubleDeletes, mixedFiles])('keeps its promises through $name', async (scenario, { expect }) => {
    const result = await playScenario(scenario, { quick: true, say });
    expect(scenarioHolds(result), tableOfScenarios([result])).toBe(true);
  });
});
