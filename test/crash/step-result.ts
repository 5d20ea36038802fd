import type { Asked } from './ask.ts';
import type { Fleet } from './fleet.ts';
import type { Evidence } from './judge.ts';
import type { Step } from './step.ts';

export interface StepResult {
  name: string;
  /** Whether the process was killed there at all. */
  fired: boolean;
  creations: number;
  ended: string;
  /** From the kill to the end of the job. */
  seconds: number;
  ok: boolean;
}

/** When each job ended. */
export async function endTimes(fleet: Fleet): Promise<Map<string, number>> {
  const rows = await fleet.window.query<{ id: string; at: Date }>(`select id, finished_at as at from jobs`);
  return new Map(rows.map(({ id, at }) => [id, at?.getTime() ?? Number.NaN]));
}

export function resultOf(
  step: Step,
  entry: Asked,
  killedAt: number | undefined,
  { jobs, ledger }: Evidence,
  ends: ReadonlyMap<string, number>,
): StepResult {
  const job = jobs.find(({ id }) => id === entry.jobId);
  const creations = ledger.creations.filter(({ prompt }) => prompt === entry.prompt).length;
  const ended = job ? `${job.status}${job.error_code ? ` (${job.error_code})` : ''}` : 'lost';
  const expected = step.ends ?? ['completed'];
  const most = job?.cancel_outcome === 'not_started' ? [0] : expected.includes('cancelled') ? [0, 1] : [1];
  return {
    name: step.name,
    fired: killedAt !== undefined,
    creations,
    ended,
    seconds: ((ends.get(entry.jobId ?? '') ?? Number.NaN) - (killedAt ?? Number.NaN)) / 1000,
    ok: killedAt !== undefined && most.includes(creations) && expected.includes(job?.status ?? ''),
  };
}
