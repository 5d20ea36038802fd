import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { childTask } from './child-task.ts';
import { createMedia } from './media.ts';
import { MediaError } from './media-error.ts';

const onWindows = process.platform === 'win32';
const misbehave = childTask<typeof import('./fixtures/misbehave-task.ts')>(
  new URL('./fixtures/misbehave-task.ts', import.meta.url),
  10_000,
);
const media = createMedia({ path: process.env.PATH ?? '', concurrency: 2 });

async function failure(work: Promise<unknown>): Promise<MediaError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MediaError)) throw new Error('expected a MediaError', { cause: error });
  return error;
}

test('a task gets its arguments and gives back its result', async () => {
  expect(await media.run(misbehave, { act: 'echo', ms: 7 })).toEqual({ echo: 7 });
});

test('nothing of the environment but PATH reaches a child', async () => {
  process.env.A_SECRET_FOR_THIS_TEST = 'hunter2';
  const seen = (await media.run(misbehave, { act: 'environment' })) as Record<string, string>;
  expect(JSON.stringify(seen)).not.toContain('hunter2');
  // The shell that sets the limits adds its own PWD and such.
  const own = Object.keys(seen).filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name));
  expect(own.sort()).toEqual(['LC_ALL', 'NODE_WEBCODECS_FORCE', 'PATH']);
});

test('a child that hangs in a loop is killed at its time limit', async () => {
  const start = performance.now();
  const error = await failure(media.run(misbehave, { act: 'spin' }, { timeoutMs: 300 }));
  expect(error.code).toBe('media_timeout');
  expect(performance.now() - start).toBeLessThan(3_000);
});

test('a child that never answers is killed at its time limit', async () => {
  const error = await failure(media.run(misbehave, { act: 'wait', ms: 60_000 }, { timeoutMs: 200 }));
  expect(error.code).toBe('media_timeout');
});

test.each(['abort', 'exit'])('a child that dies (%s) is a crash', async (act) => {
  expect((await failure(media.run(misbehave, { act }))).code).toBe('media_crashed');
});

test('a child that fills its heap dies alone, and its last words are kept', async () => {
  const error = await failure(media.run(misbehave, { act: 'heap' }));
  expect(error.code).toBe('media_crashed');
  expect(error.stderr.length).toBeGreaterThan(0);
  expect(error.stderr.length).toBeLessThanOrEqual(2_000);
});

test.skipIf(process.platform !== 'linux')(
  'memory of native libraries is limited too (only Linux enforces it)',
  async () => {
    const error = await failure(media.run(misbehave, { act: 'native memory' }));
    expect(['media_failed', 'media_crashed']).toContain(error.code);
  },
);

test('what a task throws comes back with its code and a printable message', async () => {
  const error = await failure(media.run(misbehave, { act: 'refuse' }));
  expect([error.code, error.message]).toEqual(['media_invalid', 'not   this  one']);
  const other = await failure(media.run(misbehave, { act: 'dance' }));
  expect([other.code, other.message]).toEqual(['media_failed', 'cannot dance']);
});

test.skipIf(onWindows)('what a child has started dies with it (needs process groups)', async () => {
  const error = await failure(media.run(misbehave, { act: 'grandchild', ms: 200 }));
  const pid = Number(/grandchild (\d+)/.exec(error.stderr)?.[1]);
  expect(pid).toBeGreaterThan(0);
  await expect.poll(() => isRunning(pid)).toBe(false);
});

/** A killed process whose parent is gone may stay as a zombie where nobody reaps (containers). */
function isRunning(pid: number): boolean {
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
    return !state.trim().startsWith('Z');
  } catch {
    return false;
  }
}

test('abort kills the running child', async () => {
  const stop = new AbortController();
  const work = failure(media.run(misbehave, { act: 'spin' }, { signal: stop.signal }));
  setTimeout(() => stop.abort(), 150);
  expect((await work).code).toBe('media_aborted');
});

test('abort reaches a call that still waits for its turn, and one that has not begun', async () => {
  const single = createMedia({ concurrency: 1 });
  const first = single.run(misbehave, { act: 'wait', ms: 400 });
  const stop = new AbortController();
  const waiting = failure(single.run(misbehave, { act: 'echo' }, { signal: stop.signal }));
  stop.abort();
  const start = performance.now();
  expect((await waiting).code).toBe('media_aborted');
  expect(performance.now() - start).toBeLessThan(200);
  const late = await failure(single.run(misbehave, { act: 'echo' }, { signal: AbortSignal.abort() }));
  expect(late.code).toBe('media_aborted');
  await first;
});

test('children run at most as many at a time as allowed', async () => {
  const single = createMedia({ concurrency: 1 });
  const start = performance.now();
  await Promise.all([1, 2, 3].map(() => single.run(misbehave, { act: 'wait', ms: 100 })));
  expect(performance.now() - start).toBeGreaterThan(300);
});

test('closing kills what runs and refuses more', async () => {
  const closed = createMedia({ concurrency: 1 });
  const work = Array.from({ length: 20 }, () => failure(closed.run(misbehave, { act: 'spin' })));
  setTimeout(() => closed.close(), 150);
  const codes = new Set((await Promise.all(work)).map((error) => error.code));
  expect([...codes]).toEqual(['media_aborted']);
  expect((await failure(closed.run(misbehave, { act: 'echo' }))).code).toBe('media_aborted');
});

test('the parent loads no media library', () => {
  const script = `
    import { registerHooks } from 'node:module';
    const seen = [];
    registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) });
    await import(${JSON.stringify(fileURLToPath(new URL('./media.ts', import.meta.url)))});
    process.stdout.write(seen.join('\\n'));`;
  const seen = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(seen).toContain('media.ts');
  expect(seen).not.toMatch(/sharp|mediabunny|webcodecs/);
});
