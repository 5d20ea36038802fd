import { Type } from 'typebox';
import { actorOf } from '../accounts/actor.ts';
import type { Json } from '../core/json.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { viewJob } from './job-view.ts';
import { JobId, JobSchema } from './jobs.schemas.ts';
import type { JobsService } from './jobs.service.ts';

const strict = { additionalProperties: false } as const;

const DecisionBody = Type.Union(
  [
    Type.Object(
      {
        decision: Type.Literal('accepted'),
        operation: Type.Unknown({
          description: 'The provider\'s token for it: `{"id": …}` for a /v1/videos server.',
        }),
      },
      strict,
    ),
    Type.Object({ decision: Type.Literal('not_accepted') }, strict),
    Type.Object({ decision: Type.Literal('fail') }, strict),
  ],
  { title: 'Decision' },
);

const DoubtfulSchema = Type.Object({
  jobId: Type.String(),
  ownerId: Type.String(),
  stage: Type.String(),
  model: Type.String(),
  provider: Type.String(),
  attemptId: Type.String({ description: 'Sent to the provider as the Idempotency-Key.' }),
  sentAt: Nullable(Type.String({ format: 'date-time' })),
  reason: Nullable(Type.String()),
  evidence: Nullable(
    Type.Object(
      {
        at: Type.String({ format: 'date-time' }),
        why: Type.String(),
        candidates: Type.Array(
          Type.Record(Type.String(), Type.Unknown(), {
            description: 'A video in the provider’s list that may be it.',
          }),
        ),
      },
      { description: 'What the last look into the provider’s list saw that may be the video.' },
    ),
  ),
});

/** `/api/v1/admin`: what an operator decides about paid calls whose answer was lost. */
export function registerJobAdminRoutes(server: Server, { jobs }: { jobs: JobsService }): void {
  const common = { tags: ['Administration'], security: KEY_REQUIRED };

  server.get(
    '/jobs/doubtful',
    {
      schema: {
        ...common,
        operationId: 'listDoubtfulJobs',
        summary: 'Jobs of which it is unknown whether the provider took or stopped them',
        response: { 200: Success(Type.Array(DoubtfulSchema)), ...failures([403]) },
      },
    },
    async () => {
      const data = (await jobs.listDoubtful()).map((job) => ({
        jobId: job.jobId,
        ownerId: job.ownerId,
        stage: job.stage,
        model: job.model,
        provider: job.connection,
        attemptId: job.attemptId,
        sentAt: job.sentAt?.toISOString() ?? null,
        reason: job.reason,
        evidence: job.evidence as never,
      }));
      return { success: true as const, data };
    },
  );

  server.post(
    '/jobs/:jobId/decision',
    {
      schema: {
        ...common,
        operationId: 'decideJob',
        summary: 'Say what became of a paid call whose answer was lost',
        description:
          'Look at the provider first. `not_accepted` makes a new paid call: if the first was taken after all, both are paid.',
        params: JobId,
        body: DecisionBody,
        response: { 200: Success(JobSchema), ...failures([400, 403, 404, 409]) },
      },
    },
    async (request) => {
      const { decision } = request.body;
      const made =
        decision === 'accepted'
          ? { decision, operation: (request.body as { operation: Json }).operation }
          : { decision };
      const job = await jobs.decide(request.params.jobId, made, actorOf(request));
      return { success: true as const, data: viewJob(job) };
    },
  );
}
