import type { QueryResultRow } from 'pg';
import type { Made, ProviderState } from '../provider/rules.ts';
import { brokenBooks, endlessHolds } from './books.ts';
import type { Findings } from './scenario.ts';
import type { Scene } from './scene.ts';

export interface SceneJob extends QueryResultRow {
  id: string;
  prompt: string;
  status: string;
  stage: string;
  connection: string;
  cancel_outcome: string | null;
  error_code: string | null;
  created_at: Date;
  result: { files: Record<string, { key: string }> } | null;
}

interface SceneAttempt extends QueryResultRow {
  id: string;
  job_id: string;
  state: string;
  operation: { id?: string } | null;
  /** What is still owed to the provider, such as telling it to stop. */
  duty?: string | null;
}

/** All that is known at the end. */
export interface SceneEvidence {
  jobs: SceneJob[];
  attempts: SceneAttempt[];
  state: ProviderState;
}

export async function evidenceOf(
  { fleet, provider }: Scene,
  options?: { files?: boolean },
): Promise<SceneEvidence> {
  const { window } = fleet;
  return {
    jobs: await window.query<SceneJob>('select * from jobs order by id'),
    attempts: await window.query<SceneAttempt>('select * from attempts'),
    state: await provider.state(options),
  };
}

/** What every scenario is judged by; `inDoubt`: stages in which a job may wait for an operator's word. */
export async function judgeScene(
  scene: Scene,
  evidence: SceneEvidence,
  { runs, inDoubt = [] }: { runs: number; inDoubt?: readonly string[] },
): Promise<Findings> {
  const { jobs, attempts, state } = evidence;
  const owed = attempts.filter(({ duty }) => duty);
  return {
    runs,
    creations: state.videos.length,
    second: secondCreations(evidence),
    foreign: foreignVideos(evidence),
    holds: await endlessHolds(scene.fleet),
    budgets: [],
    stuck: [
      ...jobs
        .filter(({ stage }) => stage !== 'finished' && !inDoubt.includes(stage))
        .map(({ id, prompt, stage }) => `${id} (${wordsOf(prompt)}) is ${stage}`),
      ...owed.map(({ id, job_id: jobId, duty }) => `attempt ${id} of ${jobId} still owes: ${duty}`),
    ],
    other: await brokenBooks(scene.fleet),
  };
}

/** A video belongs to the job whose attempt sent its key; by its words where the job is gone. */
export function secondCreations({ attempts, state }: SceneEvidence): string[] {
  const jobOf = new Map(attempts.map(({ id, job_id }) => [id, job_id]));
  const counted = new Map<string, Made[]>();
  for (const video of state.videos) {
    const owner = jobOf.get(video.key) ?? `words ${video.prompt}`;
    counted.set(owner, [...(counted.get(owner) ?? []), video]);
  }
  return [...counted].flatMap(([owner, videos]) =>
    videos.length > 1
      ? [`${owner} (${wordsOf(videos[0]?.prompt ?? '')}): ${videos.map(({ id }) => id).join(', ')}`]
      : [],
  );
}

/** What a job asked for is known by its calls: a video with another fingerprint was made for another one. */
export function foreignVideos({ attempts, state }: SceneEvidence): string[] {
  const jobOf = new Map(attempts.map(({ id, job_id }) => [id, job_id]));
  const videoOf = new Map(state.videos.map((video) => [video.id, video]));
  const wanted = new Map<string, Set<string>>();
  for (const { key, fingerprint } of state.calls) {
    const jobId = jobOf.get(key);
    if (jobId !== undefined) wanted.set(jobId, (wanted.get(jobId) ?? new Set()).add(fingerprint));
  }
  const owners = new Map<string, string>();
  return attempts.flatMap(({ job_id: jobId, operation }) => {
    const video = videoOf.get(operation?.id ?? '');
    if (!video) return [];
    const other = owners.get(video.id);
    owners.set(video.id, jobId);
    if (other !== undefined && other !== jobId) return [`${video.id} is held by ${other} and ${jobId}`];
    const own = wanted.get(jobId);
    return own && !own.has(video.fingerprint) ? [`${jobId} has ${video.id}, made for another job`] : [];
  });
}

/** Jobs that did not complete, in words. */
export function notCompleted(jobs: readonly SceneJob[]): string[] {
  return jobs
    .filter(({ status }) => status !== 'completed')
    .map(
      ({ id, prompt, status, stage, error_code }) =>
        `${id} (${wordsOf(prompt)}) is ${status}, ${error_code ?? stage}`,
    );
}

const SHOWN = 32;

/** The beginning of a prompt, on one line. */
export function wordsOf(prompt: string): string {
  return JSON.stringify(prompt.slice(0, SHOWN));
}
