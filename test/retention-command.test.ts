import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createStage, type Stage } from './retention-stage.ts';

const run = promisify(execFile);
const script = join(import.meta.dirname, '..', 'scripts', 'retention.ts');

async function retention(stage: Stage, args: string[], env: Record<string, string> = {}) {
  const settings = { DATABASE_URL: stage.url, DATA_DIR: dirname(stage.storageDir), ...env };
  const options = { env: { PATH: process.env['PATH'], ...settings }, cwd: stage.folder };
  return run(process.execPath, [script, ...args], options).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

test('the command says what would go, deletes it, and sweeps', async () => {
  const stage = await createStage();
  const old = await stage.addVideo({ ageDays: 31, bytes: 1_234_567 });
  const young = await stage.addVideo({ ageDays: 2 });
  const orphan = await stage.put('references/nobody.png');
  const rules = { RETENTION_DAYS: '30' };

  const dry = await retention(stage, ['--dry-run'], rules);
  expect(dry.stdout).toMatch(/^age +1 videos +1\.2 MB +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d$/m);
  const json = await retention(stage, ['--dry-run', '--json'], rules);
  expect(JSON.parse(json.stdout)).toMatchObject({ dryRun: true, videos: [{ jobId: old, rule: 'age' }] });
  expect((await stage.ids()).length).toBe(2);

  const done = await retention(stage, ['--json'], rules);
  expect(JSON.parse(done.stdout)).toMatchObject({ deleted: { age: { count: 1, bytes: 1_234_567 } } });
  expect(await stage.ids()).toEqual([young]);

  expect((await retention(stage, ['--sweep', '--dry-run'])).stdout).toContain(`would be removed`);
  expect(await stage.keys()).toContain(orphan);
  expect((await retention(stage, ['--sweep'])).stdout).toContain('1 removed');
  expect(await stage.keys()).not.toContain(orphan);
}, 60_000);

test.each([
  [['--help'], 0, 'Usage: npm run retention'],
  [['--every'], 2, '--every'],
  [[], 1, 'RETENTION_TAGS must be a list'],
])('%j ends with %i', async (args, code, text) => {
  const stage = await createStage();
  const ended = await retention(stage, args, { RETENTION_TAGS: 'temp' });
  expect(ended.code).toBe(code);
  expect(ended.stdout + ended.stderr).toContain(text);
});
