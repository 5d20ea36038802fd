import { setImmediate } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Principal } from '../accounts/principal.ts';
import { microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import type { Derivation, Derived } from '../jobs/derivation.ts';
import type { JobStatus } from '../jobs/job.ts';
import type { JobsService } from '../jobs/jobs.service.ts';
import { findNodes, findTree, type NodeRow } from './lineage.repository.ts';
import { ancestorsOf, growTree, nearest, type Place } from './lineage-tree.ts';
import { type DiffPart, diffWords } from './word-diff.ts';

export interface LineageView {
  rootId: string;
  videoId: string;
  /** From the first video to the parent. */
  ancestors: string[];
  nodes: (LineageNode | DeletedNode)[];
  /** Whether the tree has more than is shown. */
  truncated: boolean;
  /** Of the whole tree, also of what is not shown. */
  total: { videos: number; costUsd: number };
}

interface TreePlace {
  jobId: string;
  parentId: string | null;
  depth: number;
  /** Among the nodes shown. */
  children: string[];
}

export interface LineageNode extends TreePlace {
  deleted: false;
  /** In the trash. */
  trashed: boolean;
  kind: Derivation | null;
  by: Derived['by'] | null;
  status: JobStatus;
  prompt: string;
  name: string | null;
  model: string;
  createdAt: string;
  thumbnailUrl: string | null;
  cost: { ownUsd: number; branchUsd: number };
  /** Against the parent's; null where that is gone or not shown, and beyond the measure of one answer. */
  promptDiff: DiffPart[] | null;
}

/** What is left of a deleted video: its place. */
export interface DeletedNode extends TreePlace {
  deleted: true;
}

/** Nodes of one answer; the others are farther away from the video asked about. */
const MOST_NODES = 1000;

export type GetLineage = (caller: Principal, jobId: string) => Promise<LineageView>;

/** Everything that came of the same first video, in two queries however large it is. Throws `job_not_found`. */
export function createGetLineage({ db, jobs }: { db: Kysely<DB>; jobs: JobsService }): GetLineage {
  return async (caller, jobId) => {
    const { job } = await jobs.get(caller, jobId);
    const rootId = job.root_id ?? job.id;
    const tree = await findTree(db, caller.ownerId, rootId);
    const places = growTree(tree, rootId);
    const near = nearest(places, jobId, MOST_NODES);
    const shown = [...places.values()].filter(({ id }) => near.has(id));
    const there = shown.filter(({ deleted }) => !deleted).map(({ id }) => id);
    const found = await findNodes(db, caller.ownerId, there);
    const rows = new Map(found.map((row) => [row.id, row]));
    const diffs = await compare(
      [...near].flatMap((id) => places.get(id) ?? []),
      rows,
    );
    return {
      rootId,
      videoId: jobId,
      ancestors: ancestorsOf(places, jobId),
      // As the tree is read: generation after generation.
      nodes: shown.toSorted((a, b) => a.depth - b.depth).map((place) => describe(place, near, rows, diffs)),
      truncated: shown.length < places.size,
      total: { videos: tree.length, costUsd: microsToUsd(tree.reduce((sum, { micros }) => sum + micros, 0)) },
    };
  };
}

type Rows = ReadonlyMap<string, NodeRow>;

/** Characters of all prompts that one answer compares: a moment's work, and far more than prompts usually have. */
const MOST_COMPARED = 500_000;
/** After so many, others get their turn. */
const AT_ONCE = 20_000;

/** What became of each prompt against its parent's, from the inside out as far as the measure goes. */
async function compare(nearestFirst: readonly Place[], rows: Rows): Promise<Map<string, DiffPart[]>> {
  const diffs = new Map<string, DiffPart[]>();
  let compared = 0;
  let atOnce = 0;
  for (const { id, parentId } of nearestFirst) {
    const [own, parent] = [rows.get(id), rows.get(parentId ?? '')];
    if (!own || !parent) continue;
    const length = own.prompt.length + parent.prompt.length;
    compared += length;
    if (compared > MOST_COMPARED) break;
    diffs.set(id, diffWords(parent.prompt, own.prompt));
    atOnce += length;
    if (atOnce > AT_ONCE) {
      await setImmediate();
      atOnce = 0;
    }
  }
  return diffs;
}

function describe(
  place: Place,
  shown: ReadonlySet<string>,
  rows: Rows,
  diffs: ReadonlyMap<string, DiffPart[]>,
): LineageNode | DeletedNode {
  const { id: jobId, parentId, depth } = place;
  const at = { jobId, parentId, depth, children: place.children.filter((id) => shown.has(id)) };
  const row = rows.get(jobId);
  if (!row) return { ...at, deleted: true };
  return { ...at, ...view(row, place), promptDiff: diffs.get(jobId) ?? null };
}

function view(row: NodeRow, { ownMicros, branchMicros }: Place) {
  return {
    deleted: false as const,
    trashed: row.trashed_at !== null,
    kind: row.derivation,
    by: row.by,
    status: row.status,
    prompt: row.prompt,
    name: row.name,
    model: row.model,
    createdAt: row.created_at.toISOString(),
    thumbnailUrl: row.hasThumbnail ? `/api/v1/videos/${row.id}/content?variant=thumbnail` : null,
    cost: { ownUsd: microsToUsd(ownMicros), branchUsd: microsToUsd(branchMicros) },
  };
}
