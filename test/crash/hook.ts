import diagnostics from 'node:diagnostics_channel';
import { appendFileSync, closeSync, openSync, promises as fs, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Client } from 'pg';
import type { CrashPoint, CrashSettings } from './crash-point.ts';
import { shiftClock } from './hook-clock.ts';
import { fillDiskWhile } from './hook-disk.ts';

/**
 * Loaded into a product process by the harness alone (`--import`): writes down which work the process takes, and kills
 * (or stops) it right before or after one exact step. The product's own code knows nothing of it.
 */
const settings = JSON.parse(process.env['CRASH_TEST'] ?? '{}') as Partial<CrashSettings>;
const { point, firedFile, claimsFile, fullDiskFile, clockMs } = settings;
if (clockMs !== undefined && clockMs !== 0) shiftClock(clockMs);
if (fullDiskFile) fillDiskWhile(fullDiskFile);
let seen = 0;

/** Ends the process here and now, once per run of the harness, however many processes have this point. */
function strike(): void {
  if (!point || !firedFile) return;
  seen += 1;
  if (seen < (point.nth ?? 1)) return;
  try {
    const file = openSync(firedFile, 'wx');
    writeSync(file, JSON.stringify({ pid: process.pid, at: Date.now() }));
    closeSync(file);
  } catch {
    return;
  }
  process.kill(process.pid, point.signal ?? 'SIGKILL');
}

function reach(reached: CrashPoint): void {
  if (reached.delayMs === undefined) strike();
  else setTimeout(strike, reached.delayMs);
}

type Result = { rows?: Record<string, unknown>[] };
type Callback = (error: Error | null, result?: Result) => void;
type Query = (...args: unknown[]) => unknown;

const open = new WeakMap<object, string[]>();

/** The statement and its values as one text to match; for a commit, all that its transaction held. */
function describe(client: object, args: readonly unknown[]): { kind: 'sql' | 'commit'; text: string } {
  const [first, second] = args;
  const config = typeof first === 'string' ? { text: first } : (first as { text?: string; values?: unknown });
  const statement = config.text ?? '';
  const values = Array.isArray(second) ? second : (config as { values?: unknown }).values;
  const text = `${statement} ${JSON.stringify(values ?? [])}`;
  if (/^\s*begin/i.test(statement)) open.set(client, []);
  if (/^\s*commit/i.test(statement)) {
    const held = (open.get(client) ?? []).join('\n');
    open.delete(client);
    return { kind: 'commit', text: held };
  }
  if (/^\s*rollback/i.test(statement)) open.delete(client);
  open.get(client)?.push(text);
  return { kind: 'sql', text };
}

/** Tasks as the queue hands them out, and polls as they are claimed. */
function noteClaims(text: string, rows: readonly Record<string, unknown>[]): void {
  if (!claimsFile) return;
  const tasks = /state = 'active'/.test(text) && /returning/i.test(text);
  const polls = /update polls set due_at = .* returning polls/s.test(text);
  for (const row of rows) {
    const id = tasks ? row['id'] : polls ? row['jobId'] : undefined;
    if (id !== undefined)
      appendFileSync(claimsFile, `${tasks ? 'task' : 'poll'} ${String(id)} ${Date.now()}\n`);
  }
}

const prototype = Client.prototype as unknown as { query: Query };
const original = prototype.query;
prototype.query = function query(this: object, ...args: unknown[]): unknown {
  const { kind, text } = describe(this, args);
  const matches = point?.on === kind && new RegExp(point.match, 'is').test(text);
  if (matches && point.when === 'before') reach(point);
  const after = (result?: Result): void => {
    if (matches && point.when === 'after') reach(point);
    if (result?.rows && result.rows.length > 0) noteClaims(text, result.rows);
  };
  const last = args.at(-1);
  if (typeof last === 'function') {
    const callback = last as Callback;
    args[args.length - 1] = (error: Error | null, result?: Result) => {
      if (!error) after(result);
      callback(error, result);
    };
    return original.apply(this, args);
  }
  const answer = original.apply(this, args);
  if (answer instanceof Promise)
    void answer.then(
      (result) => after(result as Result),
      () => {},
    );
  return answer;
};

if (point?.on === 'upstream') {
  const channel = {
    before: 'undici:request:create',
    headers: 'undici:request:headers',
    after: 'undici:request:trailers',
  };
  diagnostics.subscribe(channel[point.when], (message) => {
    const { request } = message as { request: { method: string; path: string } };
    if (new RegExp(point.match).test(`${request.method} ${request.path}`)) reach(point);
  });
}

if (point?.on === 'rename') {
  const rename = fs.rename;
  fs.rename = async (from, to) => {
    const matches = new RegExp(point.match).test(String(to));
    if (matches && point.when === 'before') reach(point);
    await rename(from, to);
    if (matches && point.when === 'after') reach(point);
  };
  syncBuiltinESMExports();
}
