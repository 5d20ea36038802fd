import type { QueryResultRow } from 'pg';
import { mayFailWith, mustFail, type Asked } from './ask.ts';
import type { Window } from './database.ts';
import { contradictions } from './judge-database.ts';
import { checkFiles } from './judge-files.ts';
import type { Creation, Ledger } from './upstream.ts';

/** A job as the database holds it at the end. */
export interface JobRow extends QueryResultRow {
  id: string;
  prompt: string;
  status: string;
  stage: string;
  cancel_outcome: string | null;
  error_code: string | null;
  charged_micros: string | null;
  result: { files: Record<string, { key: string; sizeBytes: number; sha256: string }> } | null;
}

export interface AttemptRow extends QueryResultRow {
  id: string;
  job_id: string;
  state: string;
  operation: { id?: string } | null;
}

/** What is wrong, in words that name the job. */
export interface Verdict {
  asked: number;
  acknowledged: number;
  creations: number;
  /** Creations beyond the first one of a job: paid twice. */
  duplicates: string[];
  /** Acknowledged, but not there; or told under two ids. */
  lost: string[];
  stuck: string[];
  /** Ended otherwise than its faults and its cancellation allow. */
  wrongEnds: string[];
  /** Creations that no accepted attempt owns. */
  orphans: string[];
  /** Cancelled, and what came of it upstream was never found out. */
  unsettled: string[];
  /** Rows that contradict each other, or files that contradict their row. */
  contradictions: string[];
  /** Files in storage that no row names; bytes at most, no promise. */
  strayFiles: number;
  ends: Record<string, number>;
  failures: Record<string, number>;
}

export interface Evidence {
  asked: readonly Asked[];
  jobs: readonly JobRow[];
  attempts: readonly AttemptRow[];
  ledger: Ledger;
}

export async function collect(window: Window, asked: readonly Asked[], ledger: Ledger): Promise<Evidence> {
  return {
    asked,
    jobs: await window.query<JobRow>(`select * from jobs order by id`),
    attempts: await window.query<AttemptRow>(`select id, job_id, state, operation from attempts`),
    ledger,
  };
}

export async function judge(window: Window, storageDir: string, evidence: Evidence): Promise<Verdict> {
  const { asked, jobs, attempts, ledger } = evidence;
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const askOf = new Map(asked.map((entry) => [entry.prompt, entry]));
  const files = await checkFiles(storageDir, jobs);
  return {
    asked: asked.length,
    acknowledged: asked.filter((entry) => entry.jobId !== undefined).length,
    creations: ledger.creations.length,
    duplicates: duplicates(ledger.creations, jobs),
    lost: asked.flatMap((entry) => lostOf(entry, byId, jobs)),
    stuck: jobs
      .filter((job) => job.stage !== 'finished')
      .map((job) => `${job.id} is ${job.status}, ${job.stage}`),
    wrongEnds: jobs.flatMap((job) => wrongEnd(job, askOf.get(job.prompt))),
    orphans: orphans(ledger.creations, attempts),
    unsettled: jobs
      .filter((job) => job.cancel_outcome === 'unknown')
      .map((job) => `${job.id} (${job.prompt})`),
    contradictions: [...(await contradictions(window)), ...files.problems],
    strayFiles: files.stray,
    ends: tally(jobs.map((job) => job.status)),
    failures: tally(jobs.flatMap((job) => job.error_code ?? [])),
  };
}

/** By prompt: every ask has its own, so two creations of one prompt are one too many. */
function duplicates(creations: readonly Creation[], jobs: readonly JobRow[]): string[] {
  const counted = tally(creations.map((creation) => creation.prompt));
  const wanted = tally(jobs.map((job) => job.prompt));
  return Object.entries(counted).flatMap(([prompt, count]) =>
    count > Math.max(1, wanted[prompt] ?? 0) ? [`${count} creations for "${prompt}"`] : [],
  );
}

function lostOf(entry: Asked, byId: ReadonlyMap<string, JobRow>, jobs: readonly JobRow[]): string[] {
  const label = `ask ${entry.index} (${entry.style})`;
  const same = jobs.filter((job) => job.prompt === entry.prompt);
  const problems = [...entry.told].filter((id) => !byId.has(id)).map((id) => `${label}: ${id} is not there`);
  if (same.length > 1) problems.push(`${label} made ${same.length} jobs`);
  if (entry.refused) problems.push(`${label} was refused: ${entry.refused}`);
  if (entry.jobId === undefined && !entry.refused) problems.push(`${label} never got an answer`);
  return problems;
}

function wrongEnd(job: JobRow, ask: Asked | undefined): string[] {
  const label = `${job.id} (${job.prompt})`;
  if (!ask) return [`${label} was asked by nobody`];
  if (ask.cancel === 'cancelled' && job.status !== 'cancelled')
    return [`${label} was cancelled but is ${job.status}`];
  if (job.status === 'cancelled' && ask.cancelAfterMs === undefined)
    return [`${label} was cancelled by nobody`];
  if (job.status === 'completed' && mustFail(ask)) return [`${label} completed in spite of its faults`];
  if (job.status === 'failed' && !mayFailWith(ask, job.error_code ?? ''))
    return [`${label} failed: ${job.error_code}`];
  return [];
}

/** A creation belongs to the attempt that holds its operation. */
function orphans(creations: readonly Creation[], attempts: readonly AttemptRow[]): string[] {
  const owned = new Set(attempts.flatMap((attempt) => attempt.operation?.id ?? []));
  const states = new Map(attempts.map((attempt) => [attempt.id, attempt.state]));
  return creations
    .filter((creation) => !owned.has(creation.id))
    .map(({ id, prompt, idempotencyKey, stopped }) => {
      const state = states.get(idempotencyKey ?? '') ?? 'unknown';
      return `${id} (${prompt}): its attempt is ${state}${stopped ? ', stopped' : ''}`;
    });
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
