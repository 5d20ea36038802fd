import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../core/clock.ts';
import { asObject } from '../core/json.ts';
import type { ChildReply, ChildRequest } from './child-task.ts';
import { isMediaErrorCode, MediaError } from './media-error.ts';

export interface ChildOptions {
  /** The only variable of the environment that the child gets: where it may find ffmpeg. */
  path: string;
  clock: Clock;
  /** Wall time in ms; the kernel also counts the CPU time, should the parent be gone. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

const ENTRY = fileURLToPath(new URL('./child-main.ts', import.meta.url));
const HEAP_MB = 256;
/** Writable private memory of the whole child, native libraries included (Linux enforces it). */
const DATA_KB = 1_500_000;
const STDERR_BYTES = 2_000;

/**
 * Runs one request in a fresh process with an empty environment, and kills it afterwards whatever happened.
 * Resolves with the task's result; rejects with a `MediaError`.
 */
export function runInChild(request: ChildRequest, options: ChildOptions): Promise<unknown> {
  if (options.signal?.aborted) return Promise.reject(aborted(options.signal));
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const child = start(options);
  let stderr = '';
  let reply: ChildReply | undefined;
  let verdict: MediaError | undefined;

  const end = (error?: MediaError) => {
    verdict ??= error;
    kill(child);
  };
  const onAbort = () => end(aborted(options.signal));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const stopTimer = options.clock.after(options.timeoutMs, () =>
    end(new MediaError('media_timeout', `The work took longer than ${options.timeoutMs / 1000} s.`)),
  );

  child.stderr?.setEncoding('latin1').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-STDERR_BYTES);
  });
  child.once('message', (message) => {
    reply = asReply(message);
    end();
  });
  child.once('error', (error) => {
    verdict ??= new MediaError('media_failed', 'The child process could not be started.', { cause: error });
    settle(null, null);
  });
  child.once('exit', settle);
  // A send that fails means that the child is gone already; its exit tells why.
  if (child.pid !== undefined) child.send(request, () => {});
  return promise;

  function settle(exitCode: number | null, signal: NodeJS.Signals | null): void {
    stopTimer();
    options.signal?.removeEventListener('abort', onAbort);
    // What the child itself has started (ffmpeg) would outlive its crash.
    kill(child);
    if (verdict) reject(verdict);
    else if (reply?.ok) resolve(reply.result);
    else if (reply) reject(new MediaError(codeOf(reply), reply.message, { stderr }));
    else reject(crash(exitCode, signal, stderr));
  }
}

function start(options: ChildOptions): ChildProcess {
  const node = [process.execPath, `--max-old-space-size=${HEAP_MB}`, '--no-warnings', ENTRY];
  const cpuSeconds = Math.ceil(options.timeoutMs / 1000) * availableParallelism();
  // `exec` keeps it one process; a limit that the system does not know is left out.
  const limits = ['-c 0', `-t ${cpuSeconds}`, `-d ${DATA_KB}`].map((limit) => `ulimit ${limit} 2>/dev/null`);
  const script = `${limits.join('; ')}; exec "$@"`;
  const [command = '', ...args] =
    process.platform === 'win32' ? node : ['/bin/sh', '-c', script, 'media', ...node];
  return spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Its own process group, so that one signal reaches everything it has started.
    detached: true,
    windowsHide: true,
    cwd: tmpdir(),
    // `static`: the prebuilt library with its known licence, never a system's.
    env: { PATH: options.path, NODE_WEBCODECS_FORCE: 'static', LC_ALL: 'C.UTF-8' },
  });
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

function aborted(signal: AbortSignal | undefined): MediaError {
  return new MediaError('media_aborted', 'The work was given up.', { cause: signal?.reason });
}

function crash(exitCode: number | null, signal: NodeJS.Signals | null, stderr: string): MediaError {
  if (signal === 'SIGXCPU') {
    return new MediaError('media_timeout', 'The work took more CPU time than it may.', { stderr });
  }
  return new MediaError('media_crashed', `The child process died (${signal ?? `exit ${exitCode}`}).`, {
    stderr,
  });
}

function codeOf(reply: { code: string }) {
  return isMediaErrorCode(reply.code) ? reply.code : 'media_failed';
}

/** The child may have been taken over by a hostile file: nothing of its answer's shape is believed. */
function asReply(message: unknown): ChildReply | undefined {
  const fields = asObject(message);
  if (fields?.['ok'] === true) return { ok: true, result: fields['result'] };
  if (fields?.['ok'] !== false) return undefined;
  return { ok: false, code: String(fields['code']), message: String(fields['message']).slice(0, 300) };
}
