import { ConfigError, loadConfig, readEnvironment } from './config.ts';
import { DatabaseStartError } from './database/start-error.ts';
import { serve } from './serve.ts';
import { StartError } from './start-error.ts';
import { StorageStartError } from './storage/start-error.ts';

const HELP = `Sora Studio: one API and one studio over any video model.

Usage: npm start              start everything in one process
       node src/main.ts       the same, without npm
       node src/main.ts --help

Settings come from the environment or a .env file; docs/configuration.md lists them.
`;

async function main(args: readonly string[]): Promise<number | undefined> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  if (args.length > 0) {
    process.stderr.write(`There is no argument ${args[0]}. Try --help.\n`);
    return 2;
  }
  try {
    await serve(loadConfig(readEnvironment()));
    return undefined;
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    return 1;
  }
}

/** What the person at the terminal needs to know; the stack only where nobody foresaw the error. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) {
    return [error.message, ...error.problems.map((problem) => `  - ${problem}`)].join('\n');
  }
  const foreseen = [DatabaseStartError, StorageStartError, StartError];
  if (foreseen.some((kind) => error instanceof kind)) return (error as Error).message;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND') return `The database cannot be reached: ${message}.`;
  return stack ?? message;
}

const code = await main(process.argv.slice(2));
if (code !== undefined) process.exit(code);
