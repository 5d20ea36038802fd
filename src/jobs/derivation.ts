import { sizeText } from '../providers/model.ts';
import type { VideoWishes } from './draft-job.ts';
import { type Job, priorityName } from './job.ts';
import type { Placed } from './new-job.ts';

/** How a job can come from another one. `retry` asks for the same again; the others need a finished video. */
export const DERIVATIONS = ['remix', 'edit', 'extend', 'retry'] as const;

export type Derivation = (typeof DERIVATIONS)[number];

/** What `jobs.derived` holds: who does the work, and what picture a stand-in starts from. */
export interface Derived {
  by: 'provider' | 'stand_in';
  reference?: 'first_frame' | 'last_frame' | 'parent_reference';
}

export interface DerivationView {
  kind: Derivation;
  parentId: string;
  rootId: string;
  depth: number;
  by: Derived['by'] | null;
  /** What a stand-in did in place of the provider. */
  note: string | null;
}

export function derivedOf(job: Pick<Job, 'derived'>): Derived | undefined {
  return (job.derived ?? undefined) as Derived | undefined;
}

export function viewDerivation(job: Job): DerivationView | null {
  const { derivation: kind, parent_id: parentId, root_id: rootId, depth } = job;
  if (kind === null || parentId === null || rootId === null) return null;
  const derived = derivedOf(job);
  const note = derived?.by === 'stand_in' ? standInNote(kind, derived) : null;
  return { kind, parentId, rootId, depth, by: derived?.by ?? null, note };
}

const PICTURES: Readonly<Record<NonNullable<Derived['reference']>, string>> = {
  first_frame: "starting from the parent's first frame",
  last_frame: "starting from the parent's last frame",
  parent_reference: "starting from the parent's own reference image",
};

function standInNote(kind: Derivation, { reference }: Derived): string {
  const picture = reference === undefined ? 'without a picture of the parent' : PICTURES[reference];
  const what = `a new video with the new prompt, ${picture}`;
  return kind === 'extend'
    ? `Not the provider's own extension: ${what}. It is the continuation alone, not both parts in one.`
    : `Not the provider's own ${kind}: ${what}.`;
}

/** The place of a job that comes from `parent`. */
export function placeUnder(parent: Job, derivation: Derivation, derived?: Derived): Placed {
  return {
    parent_id: parent.id,
    root_id: parent.root_id ?? parent.id,
    depth: parent.depth + 1,
    derivation,
    derived: derived === undefined ? null : { ...derived },
    collection_id: parent.collection_id,
  };
}

/** What a job was asked for, in the words of a new request; its picture is attached apart. */
export function wishesOf(job: Job): VideoWishes {
  return {
    prompt: job.prompt,
    model: job.model,
    seconds: job.seconds,
    resolution: sizeText(job),
    hasReference: job.reference_key !== null,
    priority: priorityName(job.priority),
    name: job.name ?? undefined,
    tags: job.tags,
    metadata: job.metadata,
    webhookUrl: job.webhook_url ?? undefined,
  };
}

/** The picture a job starts from, for one that starts from the same. */
export function pictureOf(job: Job): Pick<Job, 'reference_key' | 'reference_type' | 'asset_id'> {
  const { reference_key, reference_type, asset_id } = job;
  return { reference_key, reference_type, asset_id };
}
