import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startVitest } from 'vitest/node';
import { hasS3, MOTO } from '../test/moto.ts';

/**
 * `npm test`: types, lint, format, then every test there is. What this machine cannot run is listed with what would
 * provide it. Arguments go to Vitest as file filters: `npm test -- src/http`.
 */
const filters = process.argv.slice(2);

interface Tool {
  name: string;
  /** Any of these on PATH, or what `isThere` finds. */
  commands?: readonly string[];
  isThere?: () => boolean;
  for: string;
  get: string;
}

const TOOLS: readonly Tool[] = [
  {
    name: 'Chromium',
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    for: 'the browser test',
    get: 'apt-get install chromium',
  },
  {
    name: 'ffmpeg',
    commands: ['ffmpeg'],
    for: 'the tests of decoding with ffmpeg',
    get: 'apt-get install ffmpeg',
  },
  { name: 'curl', commands: ['curl'], for: 'the curl example', get: 'apt-get install curl' },
  { name: 'Python 3', commands: ['python3'], for: 'the Python example', get: 'apt-get install python3' },
  { ...MOTO, isThere: hasS3, for: 'the tests of S3' },
];

function isInstalled(command: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some(
    (folder) => existsSync(join(folder, command)) || existsSync(join(folder, `${command}.exe`)),
  );
}

/** Runs a check of the whole tree; true when it passes. */
function check(name: string, script: string): boolean {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok' : 'FAILED'}  ${name} (${seconds} s)\n`);
  if (status !== 0) process.stdout.write(`${stdout}${stderr}\n`);
  return status === 0;
}

const checks =
  filters.length > 0
    ? []
    : ([
        ['types', 'typecheck'],
        ['lint', 'lint'],
        ['format', 'format:check'],
      ] as const);
const failedChecks = checks.filter(([name, script]) => !check(name, script)).length;

const vitest = await startVitest('test', filters, { watch: false });
const tests = vitest.state.getTestModules().flatMap((module) => Array.from(module.children.allTests()));
const count = (state: string) => tests.filter((test) => test.result().state === state).length;
const modules = vitest.state.getTestModules().filter((module) => !module.ok()).length;
const errors = vitest.state.getUnhandledErrors().length;
await vitest.close();

const missing = TOOLS.filter((tool) => !(tool.isThere?.() ?? tool.commands?.some(isInstalled)));
for (const tool of missing) process.stdout.write(`Not run: ${tool.for} (needs ${tool.name}: ${tool.get})\n`);
const failed = count('failed') + failedChecks + errors;
const passed = count('passed') + checks.length - failedChecks;
process.stdout.write(`\nTests: ${passed} passed, ${failed} failed, ${count('skipped')} skipped\n`);
process.exit(failed > 0 || modules > 0 ? 1 : 0);
