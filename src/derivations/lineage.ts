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
  /** Against the parent's; null for the first one, and where the parent is gone or not shown. */
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
    const rows = await findTree(db, caller.userId, rootId);
    const places = growTree(rows, rootId);
    const near = nearest(places, jobId, MOST_NODES);
    const shown = [...places.values()].filter(({ id }) => near.has(id));
    const there = shown.filter(({ deleted }) => !deleted).map(({ id }) => id);
    const found = await findNodes(db, caller.userId, there);
    const nodes = await describe(shown, new Map(found.map((row) => [row.id, row])));
    return {
      rootId,
      videoId: jobId,
      ancestors: ancestorsOf(places, jobId),
      nodes,
      truncated: shown.length < places.size,
      total: { videos: rows.length, costUsd: microsToUsd(rows.reduce((sum, { micros }) => sum + micros, 0)) },
    };
  };
}

/** As the tree is read: the first video first, generation after generation. */
async function describe(
  shown: readonly Place[],
  rows: ReadonlyMap<string, NodeRow>,
): Promise<LineageView['nodes']> {
  const ids = new Set(shown.map(({ id }) => id));
  const nodes: LineageView['nodes'] = [];
  for (const place of shown.toSorted((a, b) => a.depth - b.depth)) {
    const { id: jobId, parentId, depth } = place;
    const at = { jobId, parentId, depth, children: place.children.filter((id) => ids.has(id)) };
    const row = rows.get(jobId);
    if (!row) {
      nodes.push({ ...at, deleted: true });
      continue;
    }
    const parent = rows.get(parentId ?? '');
    nodes.push({
      ...at,
      ...view(row, place),
      promptDiff: parent ? diffWords(parent.prompt, row.prompt) : null,
    });
    // Long prompts take their time: others get their turn in between.
    if (nodes.length % 20 === 0) await setImmediate();
  }
  return nodes;
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
