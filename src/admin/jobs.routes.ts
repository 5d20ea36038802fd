import type { Kysely } from 'kysely';
import { type Static, Type } from 'typebox';
import { actorOf } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import type { Clock } from '../core/clock.ts';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import { AppError } from '../core/errors.ts';
import { microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { JOB_STATUSES } from '../jobs/job.ts';
import { common, Name, NextCursor, oneOrMore, PAGE, Span, strict, Time } from './common.schemas.ts';
import { cut } from './cursor.ts';
import {
  type AttemptRow,
  attemptsOf,
  findAnyJob,
  findHiddenPart,
  type HiddenPart,
  listAllJobs,
  type OpenJob,
} from './jobs.repository.ts';

const LIST = 'admin jobs';

const Id = Nullable(Type.String());

const JobSchema = Type.Object(
  {
    jobId: Type.String(),
    ownerId: Type.String(),
    userId: Id,
    keyId: Id,
    batchId: Id,
    status: Type.String(),
    stage: Type.String(),
    progress: Type.Integer(),
    model: Type.String(),
    provider: Type.String(),
    duration: Type.Integer(),
    resolution: Type.String(),
    derivation: Nullable(Type.String()),
    tries: Type.Integer(),
    cancellation: Nullable(Type.String()),
    errorCode: Nullable(Type.String()),
    estimatedUsd: Type.Number(),
    chargedUsd: Nullable(Type.Number()),
    storedBytes: Type.Integer(),
    createdAt: Time,
    startedAt: Nullable(Time),
    finishedAt: Nullable(Time),
    deletedAt: Nullable(Time),
    importedAt: Nullable(Time),
  },
  { title: 'AdminJob', description: 'Without what its owner has written.' },
);

const DetailSchema = Type.Intersect([
  JobSchema,
  Type.Object({
    attempts: Type.Array(
      Type.Object({
        attemptId: Type.String(),
        number: Type.Integer(),
        provider: Type.String(),
        state: Type.String(),
        operation: Type.Unknown({ description: "The provider's token for the work; null: it has none." }),
        errorCode: Nullable(Type.String()),
        createdAt: Time,
        sentAt: Nullable(Time),
        settledAt: Nullable(Time),
      }),
    ),
    opened: Nullable(
      Type.Object({
        prompt: Type.String(),
        name: Nullable(Type.String()),
        tags: Type.Array(Type.String()),
        metadata: Type.Record(Type.String(), Type.String()),
      }),
    ),
  }),
]);

const ListQuery = Type.Object(
  {
    owner: Name('Whose library: the id of a person or a team.'),
    user: Name('Who asked for it.'),
    status: Type.Optional(Type.String({ description: `Several by comma: ${JOB_STATUSES.join(', ')}.` })),
    model: Name('One model.'),
    provider: Name('One connection.'),
    ...Span,
    ...PAGE,
  },
  strict,
);

const OpenQuery = Type.Object(
  {
    open: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Shows the prompt, and writes that down in the audit log.',
      }),
    ),
  },
  strict,
);

const AnyJobId = Type.Object({ jobId: Type.String() });

/** `/api/v1/admin/jobs`: jobs of everybody. What their owners wrote is read only by opening one. */
export function registerAllJobsRoutes(server: Server, { db, clock }: { db: Kysely<DB>; clock: Clock }): void {
  const shared = { ...common, security: KEY_REQUIRED };

  server.get(
    '/jobs',
    {
      schema: {
        ...shared,
        operationId: 'listAllJobs',
        summary: 'Jobs of everybody, without prompts and names, the latest first',
        querystring: ListQuery,
        response: {
          200: Success(Type.Object({ jobs: Type.Array(JobSchema), nextCursor: NextCursor })),
          ...failures([400, 403]),
        },
      },
    },
    async (request) => {
      const { limit = 50, cursor, status, ...fields } = request.query;
      const behind = cursor === undefined ? undefined : decodeCursor(LIST, cursor);
      const filter = { ...fields, status: oneOrMore('status', status, JOB_STATUSES) };
      const { page, last } = cut(await listAllJobs(db, filter, limit, behind), limit);
      const nextCursor = last ? encodeCursor(LIST, { at: last.created_at, id: last.id }) : null;
      return { success: true as const, data: { jobs: page.map(viewJob), nextCursor } };
    },
  );

  server.get(
    '/jobs/:jobId',
    {
      schema: {
        ...shared,
        operationId: 'getAnyJob',
        summary: 'A job of anybody with its attempts; with `open=true` its prompt too, which is written down',
        params: AnyJobId,
        querystring: OpenQuery,
        response: { 200: Success(DetailSchema), ...failures([403, 404]) },
      },
    },
    async (request) => {
      const { jobId } = request.params;
      const job = await findAnyJob(db, jobId);
      if (!job) throw new AppError('job_not_found');
      const opened = request.query.open ? await open(request) : null;
      const data = { ...viewJob(job), attempts: (await attemptsOf(db, jobId)).map(viewAttempt), opened };
      return { success: true as const, data };
    },
  );

  /** Nobody reads it without the entry being there. */
  async function open(
    request: Parameters<typeof actorOf>[0] & { params: { jobId: string } },
  ): Promise<HiddenPart> {
    const { jobId } = request.params;
    return db.transaction().execute(async (tx) => {
      const hidden = await findHiddenPart(tx, jobId);
      if (!hidden) throw new AppError('job_not_found');
      const entry = { ...actorOf(request), action: 'job.opened', subjectId: jobId };
      await appendAudit(tx, entry, new Date(clock.now()));
      return hidden;
    });
  }
}

function viewJob(job: OpenJob): Static<typeof JobSchema> {
  return {
    jobId: job.id,
    ownerId: job.owner_id,
    userId: job.user_id,
    keyId: job.api_key_id,
    batchId: job.batch_id,
    status: job.status,
    stage: job.stage,
    progress: job.progress,
    model: job.model,
    provider: job.connection,
    duration: job.seconds,
    resolution: `${job.width}x${job.height}`,
    derivation: job.derivation,
    tries: job.tries,
    cancellation: job.cancel_outcome,
    errorCode: job.error_code,
    estimatedUsd: microsToUsd(job.estimated_micros),
    chargedUsd: job.charged_micros === null ? null : microsToUsd(job.charged_micros),
    storedBytes: job.stored_bytes,
    createdAt: job.created_at.toISOString(),
    startedAt: job.started_at?.toISOString() ?? null,
    finishedAt: job.finished_at?.toISOString() ?? null,
    deletedAt: job.deleted_at?.toISOString() ?? null,
    importedAt: job.imported_at?.toISOString() ?? null,
  };
}

function viewAttempt(attempt: AttemptRow) {
  return {
    attemptId: attempt.id,
    number: attempt.number,
    provider: attempt.connection,
    state: attempt.state,
    operation: attempt.operation,
    errorCode: attempt.error_code,
    createdAt: attempt.created_at.toISOString(),
    sentAt: attempt.sent_at?.toISOString() ?? null,
    settledAt: attempt.settled_at?.toISOString() ?? null,
  };
}
