import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { ConfigError, loadConfig, readEnvironment } from '../src/config.ts';
import { createLifecycle } from '../src/core/lifecycle.ts';
import { openDatabase } from '../src/database/open.ts';
import { microsToUsd } from '../src/core/money.ts';
import { checkLedger, type LedgerProblem, type OrphanedSum } from '../src/usage/ledger-check.repository.ts';
import { databaseUrl } from './database-url.ts';

const HELP = `Proves that the books balance, or says where they do not.

Usage: npm run ledger:check -- [options]

  --json      the result as JSON
  --help      this text

Every account is the sum of its entries, nothing is held for a job that has ended, and every job was charged what it says
it cost. What stands under orphaned/CONNECTION is shown too. A server that runs may go on running. The exit code is 0 when all of it holds, 1 when something does not.
`;

/** Only what is wrong, on stderr: stdout is for results. */
const log = pino({ level: 'warn' }, pino.destination(2));

async function check(json: boolean): Promise<boolean> {
  const lifecycle = createLifecycle();
  try {
    const url = await databaseUrl(loadConfig(readEnvironment()), lifecycle, log);
    const options = { maxConnections: 1, log, slowQueryMs: 600_000, applicationName: 'sora-studio ledger' };
    const db = openDatabase({ url, ...options });
    lifecycle.onStop('database', () => db.destroy());
    const { entries, problems, orphaned } = await checkLedger(db);
    const isRight = problems.length === 0;
    const proof = isRight ? `${entries} entries: the books balance.` : problems.map(describe).join('\n');
    const text = [proof, ...orphaned.map(describeOrphans)].join('\n');
    process.stdout.write(
      `${json ? JSON.stringify({ isRight, entries, problems, orphaned }, null, 2) : text}\n`,
    );
    return isRight;
  } finally {
    await lifecycle.stop();
  }
}

function describe({ rule, count, found }: LedgerProblem): string {
  const more = count > found.length ? [`  … and ${count - found.length} more`] : [];
  return [`Broken: ${rule} (${count})`, ...found.map((what) => `  ${what}`), ...more].join('\n');
}

function describeOrphans({ account, micros }: OrphanedSum): string {
  return `${account}: ${microsToUsd(micros)} USD for work that no video pays for.`;
}

try {
  const options = {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) process.stdout.write(HELP);
  else process.exitCode = (await check(values.json)) ? 0 : 1;
} catch (error) {
  const problems = error instanceof ConfigError ? error.problems.map((problem) => `\n  - ${problem}`) : [];
  process.stderr.write(
    `${(error as Error).message}${problems.join('')}\nSee npm run ledger:check -- --help\n`,
  );
  process.exitCode = 2;
}
