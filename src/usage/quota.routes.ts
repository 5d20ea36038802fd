import type { Kysely } from 'kysely';
import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { LimitsBody, QuotaSchema, readLimits, UseSchema, viewQuota, viewUse } from './quota-view.ts';
import {
  findSubject,
  listQuotas,
  lockQuota,
  type Quota,
  type QuotaSubject,
  replaceQuotas,
  usesOf,
  wouldBeOver,
} from './quotas.repository.ts';

export interface QuotaRoutesOptions {
  db: Kysely<DB>;
  clock: Clock;
  /** Where the days of quotas begin. */
  quotaZone: string;
}

const WHAT_COUNTS =
  'What a video is expected to cost counts from its creation; what it came to counts instead once it has ended. What ' +
  'brought no video and cost nothing is given back.';

/** `GET /api/v1/quota`: what the caller has used, and what is left. */
export function registerQuotaRoute(server: Server, { db, clock, quotaZone }: QuotaRoutesOptions): void {
  server.get(
    '/quota',
    {
      schema: {
        tags: ['Usage'],
        operationId: 'getQuota',
        summary: 'What you have used, and what is left',
        description: `Of you as a person, of the team and of the key this is asked with; whichever ends first counts. ${WHAT_COUNTS}`,
        security: KEY_REQUIRED,
        response: {
          200: Success(Type.Object({ timeZone: Type.String(), uses: Type.Array(UseSchema) })),
          ...failures([403]),
        },
      },
    },
    async (request) => {
      const uses = await usesOf(db, callerOf(request), new Date(clock.now()), quotaZone);
      return { success: true as const, data: { timeZone: quotaZone, uses: uses.map(viewUse) } };
    },
  );
}

const SubjectParams = Type.Object({
  scope: Type.Unsafe<QuotaSubject['scope']>({ type: 'string', enum: ['role', 'user', 'team', 'key'] }),
  subjectId: Type.String({ minLength: 1, maxLength: 100 }),
});

/** `/api/v1/admin/quotas`: what everybody may use at most. */
export function registerQuotaAdminRoutes(server: Server, options: QuotaRoutesOptions): void {
  const { db, clock, quotaZone } = options;
  const common = { tags: ['Administration'], security: KEY_REQUIRED };

  async function subjectOf(named: QuotaSubject): Promise<QuotaSubject> {
    const subject = await findSubject(db, named);
    if (!subject) throw new AppError('quota_subject_not_found');
    return subject;
  }

  server.get(
    '/quotas',
    {
      schema: {
        ...common,
        operationId: 'listQuotas',
        summary: 'Every quota that was set',
        response: { 200: Success(Type.Array(QuotaSchema)), ...failures([403]) },
      },
    },
    async () => {
      const groups = Map.groupBy(await listQuotas(db), (row) => `${row.scope} ${row.subject_id}`);
      const data = [...groups.values()].flatMap((rows) => {
        const [first] = rows;
        return first ? [viewQuota({ scope: first.scope, subjectId: first.subject_id }, rows)] : [];
      });
      return { success: true as const, data };
    },
  );

  server.put(
    '/quotas/:scope/:subjectId',
    {
      schema: {
        ...common,
        operationId: 'setQuota',
        summary: 'Say what a role, user, team or key may use at most',
        description:
          "Takes the place of the subject's former limits; an empty body removes them. A role's limits hold for each of " +
          'its users that has none of their own for the same thing. They hold from the next request on, in every process.',
        params: SubjectParams,
        body: LimitsBody,
        response: { 200: Success(QuotaSchema), ...failures([400, 403, 404]) },
      },
    },
    async (request) => {
      const limits = readLimits(request.body);
      const subject = await subjectOf(request.params);
      const { userId, credentialId } = callerOf(request);
      const now = new Date(clock.now());
      const rows = await db.transaction().execute(async (tx): Promise<Quota[]> => {
        await lockQuota(tx, subject);
        const former = viewQuota(subject, await listQuotas(tx, subject));
        await replaceQuotas(tx, subject, limits, userId, now);
        const rows = await listQuotas(tx, subject);
        const details = {
          scope: subject.scope,
          from: { ...former.limits },
          to: viewQuota(subject, rows).limits,
        };
        const act = { actorId: userId, credentialId, address: request.ip, action: 'quota.set' };
        await appendAudit(tx, { ...act, subjectId: subject.subjectId, details }, now);
        return rows;
      });
      return { success: true as const, data: viewQuota(subject, rows) };
    },
  );

  server.post(
    '/quotas/:scope/:subjectId/preview',
    {
      schema: {
        ...common,
        operationId: 'previewQuota',
        summary: 'Who would be over such a quota right now',
        description: 'Changes nothing. At most 1,000, the furthest over first.',
        params: SubjectParams,
        body: LimitsBody,
        response: { 200: Success(Type.Array(UseSchema)), ...failures([400, 403, 404]) },
      },
    },
    async (request) => {
      const limits = readLimits(request.body);
      const subject = await subjectOf(request.params);
      const over = await wouldBeOver(db, subject, limits, new Date(clock.now()), quotaZone);
      return { success: true as const, data: over.map(viewUse) };
    },
  );
}
