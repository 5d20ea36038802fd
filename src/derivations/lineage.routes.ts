import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { DERIVATIONS } from '../jobs/derivation.ts';
import { JOB_STATUSES } from '../jobs/job.ts';
import { JobId } from '../jobs/jobs.schemas.ts';
import type { GetLineage } from './lineage.ts';

const Enum = <const T extends string>(values: readonly T[]) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values] });

const place = {
  jobId: Type.String(),
  parentId: Nullable(Type.String()),
  depth: Type.Integer({ description: 'Steps from the first video.' }),
  children: Type.Array(Type.String(), { description: 'Oldest first; those that are shown.' }),
};

const NodeSchema = Type.Object(
  {
    ...place,
    deleted: Type.Literal(false),
    trashed: Type.Boolean(),
    kind: Nullable(Enum(DERIVATIONS)),
    by: Nullable(Enum(['provider', 'stand_in'])),
    status: Enum(JOB_STATUSES),
    prompt: Type.String(),
    name: Nullable(Type.String()),
    model: Type.String(),
    createdAt: Type.String({ format: 'date-time' }),
    thumbnailUrl: Nullable(Type.String()),
    cost: Type.Object({
      ownUsd: Type.Number({ description: 'Charged if that is known, else expected.' }),
      branchUsd: Type.Number({ description: 'With everything that came of it, retries included.' }),
    }),
    promptDiff: Nullable(
      Type.Array(
        Type.Object({
          added: Type.Optional(Type.Literal(true)),
          removed: Type.Optional(Type.Literal(true)),
          text: Type.String(),
        }),
        {
          description:
            "Against the parent's prompt, word by word; null without a parent to compare with, and where prompts are very long and many.",
        },
      ),
    ),
  },
  { title: 'LineageNode' },
);

const DeletedSchema = Type.Object(
  { ...place, deleted: Type.Literal(true) },
  { title: 'DeletedLineageNode', description: 'What is left of a deleted video: its place.' },
);

const LineageSchema = Type.Object(
  {
    rootId: Type.String(),
    videoId: Type.String(),
    ancestors: Type.Array(Type.String(), { description: 'From the first video to the parent.' }),
    nodes: Type.Array(Type.Union([NodeSchema, DeletedSchema]), {
      description: 'Generation after generation; at most 1,000, those nearest to the video.',
    }),
    truncated: Type.Boolean(),
    total: Type.Object(
      { videos: Type.Integer(), costUsd: Type.Number() },
      { description: 'Of the whole tree, also of what is not shown.' },
    ),
  },
  { title: 'Lineage' },
);

/** `GET /api/v1/videos/:jobId/lineage`. */
export function registerLineageRoute(server: Server, { getLineage }: { getLineage: GetLineage }): void {
  server.get(
    '/videos/:jobId/lineage',
    {
      schema: {
        tags: ['Videos'],
        security: KEY_REQUIRED,
        operationId: 'getVideoLineage',
        summary: 'Where a video comes from, and what came of it',
        params: JobId,
        response: { 200: Success(LineageSchema), ...failures([404]) },
      },
    },
    async (request) => {
      const data = await getLineage(callerOf(request), request.params.jobId);
      return { success: true as const, data };
    },
  );
}
