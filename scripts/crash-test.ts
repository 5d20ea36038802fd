import { type CliOptions, HELP, parseCli } from '../test/crash/cli-options.ts';
import { namedSteps, type StepsResult } from '../test/crash/named-steps.ts';
import {
  lostAnswers,
  lostAnswersHold,
  type LostAnswersResult,
  tableOfLostAnswers,
} from '../test/crash/lost-answers.ts';
import { PAUSES } from '../test/crash/pause-points.ts';
import { fencing, type PausesResult } from '../test/crash/pauses.ts';
import { holds, tableOfRun } from '../test/crash/report.ts';
import { pausesHold, stepsHold, tableOfPauses, tableOfSteps } from '../test/crash/report-steps.ts';
import { randomKills, type RunResult } from '../test/crash/run.ts';
import { tableOfScenarios } from '../test/crash/scenarios/report-scenarios.ts';
import { playScenario, scenarioHolds, type ScenarioResult } from '../test/crash/scenarios/scenario.ts';
import { STEPS } from '../test/crash/steps.ts';

const startedAt = Date.now();

/** Progress goes to stderr; stdout has nothing but results. */
function sayer(what: string): (line: string) => void {
  return (line) => {
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(0).padStart(5);
    process.stderr.write(`${seconds} s  ${what}: ${line}\n`);
  };
}

async function main(options: CliOptions): Promise<boolean> {
  const { modes, quick, keep, seed, kills, jobs, faults } = options;
  const random: RunResult[] = [];
  const steps: StepsResult[] = [];
  const pauses: PausesResult[] = [];
  const answers: LostAnswersResult[] = [];
  const scenarios: ScenarioResult[] = [];
  const show = (text: string) => void (options.json || process.stdout.write(`\n${text}\n\n`));

  for (const mode of kills > 0 ? modes : []) {
    const result = await randomKills({ mode, seed, kills, jobs, faults, keep, say: sayer(mode) });
    random.push(result);
    show(tableOfRun(result));
  }
  for (const mode of options.steps ? modes : []) {
    const chosen = STEPS.filter((step) => !quick || step.quick);
    const result = await namedSteps({ mode, steps: chosen, keep, say: sayer(`steps, ${mode}`) });
    steps.push(result);
    show(tableOfSteps(result));
  }
  for (const listOnly of options.pauses ? [false, true] : []) {
    const chosen = PAUSES.filter((each) => (each.listOnly ?? false) === listOnly && (!quick || each.quick));
    if (chosen.length === 0) continue;
    const result = await fencing({ pauses: chosen, keep, say: sayer('pauses') });
    pauses.push(result);
    show(tableOfPauses(result));
  }

  if (options.answers > 0) {
    const result = await lostAnswers({ seed, creates: options.answers, keep, say: sayer('lost answers') });
    answers.push(result);
    show(tableOfLostAnswers(result));
  }

  for (const scenario of options.scenarios)
    scenarios.push(await playScenario(scenario, { quick, keep, say: sayer(scenario.name) }));
  if (scenarios.length > 0) show(tableOfScenarios(scenarios));

  const held =
    random.every(holds) &&
    steps.every(stepsHold) &&
    pauses.every(pausesHold) &&
    answers.every(lostAnswersHold) &&
    scenarios.every(scenarioHolds);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ held, random, steps, pauses, answers, scenarios }, null, 2)}\n`);
  return held;
}

let options: CliOptions;
try {
  options = parseCli(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\nSee npm run crash-test -- --help\n`);
  process.exit(2);
}
if (options.help) process.stdout.write(HELP);
else process.exit((await main(options)) ? 0 : 1);
