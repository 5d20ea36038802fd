/**
 * Entry of the disposable child: takes one request over IPC, does it, answers, and waits to be killed.
 * It never exits by itself after an answer: native libraries may crash in their teardown.
 */
import os from 'node:os';
import { errorText } from '../core/errors.ts';
import type { ChildReply, ChildRequest } from './child-task.ts';

// The server's own work goes first on a busy machine.
os.setPriority(5);

// The parent is gone: nobody wants the result. The group holds what this child has started, too.
process.on('disconnect', () => {
  if (process.platform === 'win32') process.exit(1);
  process.kill(-process.pid, 'SIGKILL');
});

process.once('message', (request: ChildRequest) => {
  void perform(request).then((reply) => process.send?.(reply));
});

async function perform(request: ChildRequest): Promise<ChildReply> {
  try {
    const module = (await import(request.url)) as { run: (args: unknown) => Promise<unknown> };
    return { ok: true, result: await module.run(request.args) };
  } catch (error) {
    const code =
      (error as { name?: unknown }).name === 'MediaError' ? (error as { code?: unknown }).code : '';
    return { ok: false, code: String(code), message: printable(errorText(error)) };
  }
}

/** Messages of native libraries have been seen to hold stray bytes. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7E]+/g, ' ').slice(0, 300);
}
