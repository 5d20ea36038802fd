import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { QueryResultRow } from 'pg';
import type { Window } from './database.ts';

/** One piece of work of a worker that died, and when somebody else took it up. */
export interface Takeover {
  kind: string;
  jobId: string;
  /** The last death that held it up. */
  diedAt: number;
  /** How often the only process there was died before it got to it again; 1 for everything else. */
  deaths: number;
  /** From the last death to the next start of this very piece, in ms; undefined while nobody has. */
  tookMs: number | undefined;
}

/**
 * Measures how long the work of dead workers lies still. A piece is a task of the queue that was running there, or a
 * poll that was claimed there and not written back. It ends when the task is started again (or is gone), or the job
 * is polled, moved or ended. Read from the database; which pieces a worker had comes from what it wrote down itself.
 */
export interface TakeoverWatch {
  /** Call right after a death (or at the beginning of a pause). `sole`: nobody else could take over meanwhile. */
  died(claimsFile: string, sole?: boolean): Promise<void>;
  takeovers: Takeover[];
  stop(): void;
}

interface TaskRow extends QueryResultRow {
  id: string;
  jobId: string;
  name: string;
  state: string;
  startedOn: Date | null;
  retries: number;
}

interface PollRow extends QueryResultRow {
  id: string;
  stage: string;
  dueAt: Date;
}

const TASKS = `select id::text, data->>'jobId' as "jobId", name, state::text, started_on as "startedOn",
  retry_count as retries from pgboss.job where id = any($1::uuid[])`;
const POLLS = `select jobs.id, jobs.stage, polls.due_at as "dueAt" from jobs join polls on polls.job_id = jobs.id
  where jobs.id = any($1::text[])`;

const CLAIM_LIFE_MS = 12_000;
const LOOK_MS = 150;

export function watchTakeovers(window: Window): TakeoverWatch {
  const takeovers: Takeover[] = [];
  const tasks = new Map<string, { piece: Takeover; startedOn: number }>();
  const polls = new Map<string, { piece: Takeover; row: PollRow }>();
  const stopping = new AbortController();

  function begin(kind: string, jobId: string, diedAt: number): Takeover {
    const piece: Takeover = { kind, jobId, diedAt, deaths: 1, tookMs: undefined };
    takeovers.push(piece);
    return piece;
  }

  async function died(claimsFile: string, sole = false): Promise<void> {
    const diedAt = Date.now();
    if (sole) await diedAgain(diedAt);
    const claims = parse(await readFile(claimsFile, 'utf8').catch(() => ''));
    await writeFile(claimsFile, '').catch(() => {});
    const taskIds = claims.filter(({ kind }) => kind === 'task').map(({ id }) => id);
    const recent = claims.filter(({ kind, at }) => kind === 'poll' && at > diedAt - CLAIM_LIFE_MS);
    const [held, claimed] = await Promise.all([
      window.query<TaskRow>(TASKS, [taskIds]),
      window.query<PollRow>(POLLS, [recent.map(({ id }) => id)]),
    ]);
    for (const row of held) {
      if (row.state !== 'active' || !row.startedOn || row.startedOn.getTime() > diedAt || tasks.has(row.id))
        continue;
      tasks.set(row.id, { piece: begin(row.name, row.jobId, diedAt), startedOn: row.startedOn.getTime() });
    }
    for (const row of claimed) {
      const lastClaim = Math.max(...recent.filter(({ id }) => id === row.id).map(({ at }) => at));
      // Written back, it is due again within ten seconds of the claim; a claim lasts longer.
      const isHeld =
        row.stage === 'rendering' && row.dueAt.getTime() > lastClaim + 9_000 && !polls.has(row.id);
      if (isHeld) polls.set(row.id, { piece: begin('poll', row.id, diedAt), row });
    }
  }

  /** What the only process had not got to yet waits for the next one: the clock starts anew. */
  async function diedAgain(diedAt: number): Promise<void> {
    await look();
    for (const { piece } of [...tasks.values(), ...polls.values()]) {
      piece.diedAt = diedAt;
      piece.deaths += 1;
    }
  }

  async function look(): Promise<void> {
    if (tasks.size > 0) await lookAtTasks();
    if (polls.size > 0) await lookAtPolls();
  }

  async function lookAtTasks(): Promise<void> {
    const rows = await window.query<TaskRow>(TASKS, [[...tasks.keys()]]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const [id, { piece, startedOn }] of tasks) {
      const row = byId.get(id);
      const startedAgain =
        row?.startedOn && row.startedOn.getTime() > startedOn ? row.startedOn.getTime() : undefined;
      if (row && startedAgain === undefined && row.state !== 'completed') continue;
      tasks.delete(id);
      // A completion that was under way at the death has gone through after all: nothing lay still.
      if (startedAgain === undefined) takeovers.splice(takeovers.indexOf(piece), 1);
      else piece.tookMs = startedAgain - piece.diedAt;
    }
  }

  async function lookAtPolls(): Promise<void> {
    const rows = await window.query<PollRow>(POLLS, [[...polls.keys()]]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const [id, { piece, row: before }] of polls) {
      const row = byId.get(id);
      // Released, but not yet taken: that is no takeover either.
      const isFree = row !== undefined && row.dueAt.getTime() <= Date.now();
      const still = row?.stage === 'rendering' && (isFree || row.dueAt.getTime() === before.dueAt.getTime());
      if (still) continue;
      polls.delete(id);
      piece.tookMs = Date.now() - piece.diedAt;
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look().catch(() => {});
      await pause(LOOK_MS);
    }
  }
  void run();
  return { died, takeovers, stop: () => stopping.abort() };
}

function parse(text: string): { kind: string; id: string; at: number }[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .filter((parts) => parts.length === 3)
    .map(([kind = '', id = '', at = '']) => ({ kind, id, at: Number(at) }));
}
