import type { StepsResult } from './named-steps.ts';
import type { PausesResult } from './pauses.ts';
import { details, rowsOfVerdict, rowsOfTakeovers, table, violations } from './report.ts';

export function stepsHold({ steps, verdict }: StepsResult): boolean {
  return steps.every(({ ok }) => ok) && violations(verdict).length === 0;
}

export function tableOfSteps(result: StepsResult): string {
  const { mode, steps, verdict } = result;
  const reached = steps.filter(({ fired }) => fired).length;
  const bad = steps
    .filter(({ ok }) => !ok)
    .map(
      ({ name, fired, creations, ended }) =>
        `  - ${fired ? `${creations} creations, ${ended}` : 'not reached'}: ${name}`,
    );
  const rows = table(
    ['kills at named steps', mode === 'one' ? 'one process' : 'several processes'],
    [
      ['steps, reached', `${steps.length}, ${reached}`],
      ...rowsOfVerdict(verdict),
      ['every promise held', stepsHold(result) ? 'yes' : 'NO'],
    ],
  );
  return rows + (bad.length > 0 ? `\n\nsteps:\n${bad.join('\n')}` : '') + details(verdict);
}

export function pausesHold({ pauses, verdict }: PausesResult): boolean {
  return pauses.every(({ ok }) => ok) && violations(verdict).length === 0;
}

export function tableOfPauses(result: PausesResult): string {
  const { pauses, verdict } = result;
  const rows = table(
    ['worker paused (SIGSTOP)', 'what came of it'],
    [
      ...pauses.map(({ name, ok, fired, creations, ended, seconds }): [string, string] => [
        name,
        fired
          ? `${ok ? 'ok' : 'BAD'}: ${creations} creation, ${ended} after ${seconds.toFixed(1)} s`
          : 'BAD: not reached',
      ]),
      ...rowsOfTakeovers(result),
      ['every promise held', pausesHold(result) ? 'yes' : 'NO'],
    ],
  );
  return rows + details(verdict);
}
