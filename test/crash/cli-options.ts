import { parseArgs } from 'node:util';
import { type FaultRates, parseFaultRates } from '../../src/providers/simulator/faults.ts';
import { DEFAULT_FAULTS } from './ask.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import type { Scenario } from './scenarios/scenario.ts';
import type { Mode } from './slots.ts';

export const HELP = `Kills, pauses and starves Sora Studio, and counts what it paid for and what it lost.

Usage: npm run crash-test -- [options]

  --kills N      random kills in each mode (500); 0 for none
  --mode MODE    one process with its own database, several on one database, or both (both)
  --seed N       the same seed asks for the same jobs and draws the same kills (a random one)
  --jobs N       jobs to ask for in each mode (twice as many as kills)
  --faults LIST  faults of the upstream by chance, instead of the usual ones: lost-answer=0.1,429=0.05
  --steps        only the kills at each named step of a job's life
  --pauses       only the pauses (SIGSTOP) at exact steps
  --answers N    only the lost answers: N videos (1000 in a whole run) through the openai client
  --scenarios    only the scenarios, all of them
  --scenario S   only this one (may be repeated)
  --quick        a few kills, a few steps, one pause, a few short scenarios; about six minutes
  --json         the results as JSON
  --keep         leave logs and data of each run in the temp folder
  --help         this text

Without --steps, --pauses, --answers and --scenarios everything is run: random kills, steps, pauses, lost answers, scenarios.
The exit code is 0 when every promise held.

Scenarios:
${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(15)} ${about}`).join('\n')}
`;

export interface CliOptions {
  help: boolean;
  modes: readonly Mode[];
  seed: number;
  /** Random ones; 0 leaves them out. */
  kills: number;
  jobs: number;
  faults: FaultRates;
  steps: boolean;
  pauses: boolean;
  /** Videos to create while answers are lost; 0 leaves it out. */
  answers: number;
  scenarios: readonly Scenario[];
  quick: boolean;
  json: boolean;
  keep: boolean;
}

const MODES: Record<string, readonly Mode[]> = {
  one: ['one'],
  several: ['several'],
  both: ['one', 'several'],
};

/** Reads the arguments. Throws an `Error` whose message is for the person who typed them. */
export function parseCli(args: readonly string[]): CliOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      kills: { type: 'string' },
      mode: { type: 'string' },
      seed: { type: 'string' },
      jobs: { type: 'string' },
      faults: { type: 'string' },
      steps: { type: 'boolean', default: false },
      pauses: { type: 'boolean', default: false },
      answers: { type: 'string' },
      scenarios: { type: 'boolean', default: false },
      scenario: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const { quick, help, json, keep } = values;
  const answers = numberOf('answers', values.answers);
  const named = values.scenario.map(scenarioNamed);
  const noScenario = !values.scenarios && named.length === 0;
  const everything = !values.steps && !values.pauses && answers === undefined && noScenario;
  const usualKills = everything ? (quick ? 8 : 500) : 0;
  const kills = numberOf('kills', values.kills) ?? usualKills;
  const usualScenarios = SCENARIOS.filter((scenario) => !quick || scenario.quick);
  const modes = MODES[values.mode ?? (quick ? 'one' : 'both')];
  if (!modes) throw new RangeError(`--mode must be one, several or both, not "${values.mode}"`);
  return {
    help,
    json,
    keep,
    quick,
    modes,
    kills,
    seed: numberOf('seed', values.seed) ?? Math.floor(Math.random() * 1e6),
    jobs: numberOf('jobs', values.jobs) ?? kills * 2,
    faults: values.faults === undefined ? DEFAULT_FAULTS : parseFaultRates(values.faults),
    steps: everything || values.steps,
    pauses: everything || values.pauses,
    answers: answers ?? (everything ? (quick ? 20 : 1000) : 0),
    scenarios: named.length > 0 ? named : everything || values.scenarios ? usualScenarios : [],
  };
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--${flag} must be a whole number, not "${text}"`);
  return Number(text);
}

function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (!scenario) throw new RangeError(`there is no scenario "${name}"`);
  return scenario;
}
