import { Type } from 'typebox';
import { actorOf } from '../accounts/actor.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Retention } from './retention.ts';
import { viewLast, viewPlan } from './retention-view.ts';

const Time = Type.String({ format: 'date-time' });
const Limit = Nullable(Type.Integer({ description: 'null: no limit.' }));

const PlanSchema = Type.Object(
  {
    rules: Type.Object({
      days: Limit,
      maxBytes: Limit,
      tags: Type.Record(Type.String(), Nullable(Type.Integer()), {
        description: 'Days by tag; null: never.',
      }),
      trashDays: Type.Integer(),
      assetDays: Type.Integer(),
    }),
    expiring: Type.Array(
      Type.Object({
        rule: Type.String({ description: 'trash, tag, age, bytes; assets: reference images.' }),
        count: Type.Integer(),
        bytes: Type.Integer(),
        oldest: Nullable(Time),
        newest: Nullable(Time),
      }),
    ),
    videos: Type.Array(
      Type.Object({
        jobId: Type.String(),
        ownerId: Type.String(),
        rule: Type.String(),
        bytes: Type.Integer(),
        completedAt: Time,
      }),
      { description: 'The first 100, the oldest first.' },
    ),
  },
  { title: 'RetentionPlan' },
);

const Round = Nullable(Type.Object({ startedAt: Time, report: Type.Record(Type.String(), Type.Unknown()) }));

const StatusSchema = Type.Intersect([
  PlanSchema,
  Type.Object({ lastRun: Round, lastSweep: Round }, { description: 'Of any process; null: none yet.' }),
]);

const Sum = Type.Object({ count: Type.Integer(), bytes: Type.Integer() });

const DeletedSchema = Type.Object({ trash: Sum, tag: Sum, age: Sum, bytes: Sum, assets: Sum });

const RunBody = Type.Object({ dryRun: Type.Optional(Type.Boolean({ default: false })) }, {
  additionalProperties: false,
  title: 'RunRetention',
} as const);

/** `/api/v1/admin/retention`. */
export function registerRetentionRoutes(server: Server, { retention }: { retention: Retention }): void {
  const common = { tags: ['Administration'], security: KEY_REQUIRED };

  server.get(
    '/retention',
    {
      schema: {
        ...common,
        operationId: 'getRetention',
        summary: 'What retention would delete now, and what the last rounds did',
        response: { 200: Success(StatusSchema), ...failures([403]) },
      },
    },
    async () => {
      const [plan, run, sweep] = await Promise.all([
        retention.plan(),
        retention.last('retention'),
        retention.last('sweep'),
      ]);
      const last = { lastRun: viewLast(run), lastSweep: viewLast(sweep) };
      return { success: true as const, data: { ...viewPlan(plan), ...last } };
    },
  );

  server.post(
    '/retention/run',
    {
      schema: {
        ...common,
        operationId: 'runRetention',
        summary: 'Delete now what has expired',
        description:
          'Answers when it is done. With `dryRun` nothing is deleted, and `plan` says what would be.',
        body: RunBody,
        response: {
          200: Success(Type.Object({ plan: Nullable(PlanSchema), deleted: Nullable(DeletedSchema) })),
          ...failures([400, 403, 409]),
        },
      },
    },
    async (request) => {
      if (request.body.dryRun) {
        return { success: true as const, data: { plan: viewPlan(await retention.plan()), deleted: null } };
      }
      // A client that goes away does not stop it: half of a round is as good as none.
      const deleted = await retention.run(new AbortController().signal, actorOf(request));
      return { success: true as const, data: { plan: null, deleted } };
    },
  );
}
