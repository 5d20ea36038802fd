/** What a module that does a task in a child exports: `run`, whose argument and result are JSON. */
interface TaskModule {
  run: (args: never) => Promise<unknown>;
}

/** A task for a child: where its module is, and how long it may take. */
export interface ChildTask<Args, Result> {
  /** The module's address (`file:`). The parent never imports it. */
  readonly url: URL;
  /** Wall time in ms from the start of the child, after which it is killed. */
  readonly timeoutMs: number;
  /** Never set; carries the types. */
  readonly types?: (args: Args) => Result;
}

/**
 * Names a task module with the types of its `run`, without loading it:
 * `childTask<typeof import('./x-task.ts')>(new URL('./x-task.ts', import.meta.url), 10_000)`.
 */
export function childTask<M extends TaskModule>(
  url: URL,
  timeoutMs: number,
): ChildTask<Parameters<M['run']>[0], Awaited<ReturnType<M['run']>>> {
  return { url, timeoutMs };
}

/** Parent to child, once. */
export interface ChildRequest {
  url: string;
  args: unknown;
}

/** Child to parent, once. */
export type ChildReply = { ok: true; result: unknown } | { ok: false; code: string; message: string };
