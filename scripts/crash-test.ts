import { parseArgs } from 'node:util';
import { DEFAULT_FAULTS } from '../test/crash/ask.ts';
import type { Mode } from '../test/crash/fleet.ts';
import { holds, table } from '../test/crash/report.ts';
import { randomKills } from '../test/crash/run.ts';
import { parseFaultRates } from '../src/providers/simulator/faults.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    jobs: { type: 'string' },
    mode: { type: 'string', default: 'both' },
    faults: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const modes: Mode[] = values.mode === 'both' ? ['one', 'several'] : [values.mode as Mode];
const kills = Number(values.kills);
let good = true;
for (const mode of modes) {
  const startedAt = Date.now();
  const result = await randomKills({
    mode,
    seed: Number(values.seed),
    kills,
    jobs: Number(values.jobs ?? kills * 2),
    faults: values.faults === undefined ? DEFAULT_FAULTS : parseFaultRates(values.faults),
    keep: values.keep,
    say: (line) =>
      process.stderr.write(
        `${((Date.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${mode}: ${line}\n`,
      ),
  });
  process.stdout.write(`\n${table(result)}\n\n`);
  good &&= holds(result);
}
process.exit(good ? 0 : 1);
