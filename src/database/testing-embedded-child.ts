/**
 * A program that holds a DATA_DIR, for tests that need a second process to kill or to compete with:
 * `node testing-embedded-child.ts <DATA_DIR> <lockWaitMs>`. Prints one line of JSON once started or refused, and
 * stops at the end of its standard input.
 */
import process from 'node:process';
import { errorText } from '../core/errors.ts';
import { startEmbedded } from './embedded.ts';
import { silentLog } from './silent-log.ts';

const [, , dataDir = '', lockWaitMs = '0'] = process.argv;

try {
  const server = await startEmbedded({
    dataDir,
    log: silentLog,
    lockWaitMs: Number(lockWaitMs),
    durable: false,
  });
  report({ url: server.url, postmaster: server.pid(), adopted: server.adopted });
  process.stdin.resume().once('end', () => {
    void server.stop().then(() => process.exit(0));
  });
} catch (error) {
  report({ refused: errorText(error) });
}

function report(outcome: object): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
