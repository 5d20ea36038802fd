import type { Kysely } from 'kysely';
import { Type } from 'typebox';
import { microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { listAudit } from './audit.repository.ts';
import { common, Name, NextCursor, oneOrMore, PAGE, Span, strict, Time } from './common.schemas.ts';
import { cut, decodeNumber } from './cursor.ts';
import { ENTRY_KINDS, listEntries, readBalances } from './ledger.repository.ts';

const EntrySchema = Type.Object(
  {
    id: Type.Integer(),
    kind: Type.String({ description: ENTRY_KINDS.join(', ') }),
    debit: Type.String({ description: 'The account it goes to.' }),
    credit: Type.String({ description: 'The account it comes from.' }),
    amountUsd: Type.Number(),
    ownerId: Type.String(),
    keyId: Nullable(Type.String()),
    batchId: Nullable(Type.String()),
    jobId: Type.String(),
    provider: Type.String(),
    model: Type.String(),
    note: Nullable(Type.String()),
    createdAt: Time,
  },
  { title: 'LedgerEntry' },
);

const BalancesSchema = Type.Object(
  {
    heldUsd: Type.Number(),
    spentUsd: Type.Number(),
    owed: Type.Array(Type.Object({ provider: Type.String(), owedUsd: Type.Number() })),
  },
  { description: 'As they stand now, of the owner that was asked for, or of all.' },
);

const LedgerQuery = Type.Object(
  {
    owner: Name('A person or a team.'),
    job: Name('One job.'),
    kind: Type.Optional(Type.String({ description: `Several by comma: ${ENTRY_KINDS.join(', ')}.` })),
    provider: Name('One connection.'),
    ...Span,
    ...PAGE,
  },
  strict,
);

const AuditSchema = Type.Object(
  {
    id: Type.Integer(),
    at: Time,
    actorId: Nullable(Type.String({ description: 'Who; null: the system, or nobody known.' })),
    credentialId: Nullable(Type.String()),
    address: Nullable(Type.String()),
    action: Type.String(),
    subjectId: Nullable(Type.String()),
    details: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'AuditEntry' },
);

const AuditQuery = Type.Object(
  {
    actor: Name('Who did it.'),
    subject: Name('What it was done to.'),
    action: Name('What was done, such as `user.changed`.'),
    ...Span,
    ...PAGE,
  },
  strict,
);

/** `/api/v1/admin/ledger` and `/api/v1/admin/audit`: what is written once and never changed. */
export function registerRecordRoutes(server: Server, { db }: { db: Kysely<DB> }): void {
  const shared = { ...common, security: KEY_REQUIRED };

  server.get(
    '/ledger',
    {
      schema: {
        ...shared,
        operationId: 'listLedger',
        summary: 'Every movement of money, the latest first, and how the accounts stand',
        querystring: LedgerQuery,
        response: {
          200: Success(
            Type.Object({
              entries: Type.Array(EntrySchema),
              balances: BalancesSchema,
              nextCursor: NextCursor,
            }),
          ),
          ...failures([400, 403]),
        },
      },
    },
    async (request) => {
      const { limit = 50, cursor, kind, ...fields } = request.query;
      const filter = { ...fields, kind: oneOrMore('kind', kind, ENTRY_KINDS) };
      const behind = cursor === undefined ? undefined : decodeNumber(cursor);
      const { page, last } = cut(await listEntries(db, filter, limit, behind), limit);
      const { held, spent, owed } = await readBalances(db, fields.owner);
      const entries = page.map((entry) => ({
        id: entry.id,
        kind: entry.kind,
        debit: entry.debit,
        credit: entry.credit,
        amountUsd: microsToUsd(entry.amount_micros),
        ownerId: entry.owner_id,
        keyId: entry.api_key_id,
        batchId: entry.batch_id,
        jobId: entry.job_id,
        provider: entry.connection,
        model: entry.model,
        note: entry.note,
        createdAt: entry.created_at.toISOString(),
      }));
      const balances = {
        heldUsd: microsToUsd(held),
        spentUsd: microsToUsd(spent),
        owed: owed.map(({ provider, micros }) => ({ provider, owedUsd: microsToUsd(micros) })),
      };
      return {
        success: true as const,
        data: { entries, balances, nextCursor: last ? String(last.id) : null },
      };
    },
  );

  server.get(
    '/audit',
    {
      schema: {
        ...shared,
        operationId: 'listAudit',
        summary: 'What people with power did, the latest first',
        querystring: AuditQuery,
        response: {
          200: Success(Type.Object({ entries: Type.Array(AuditSchema), nextCursor: NextCursor })),
          ...failures([400, 403]),
        },
      },
    },
    async (request) => {
      const { limit = 50, cursor, ...filter } = request.query;
      const behind = cursor === undefined ? undefined : decodeNumber(cursor);
      const { page, last } = cut(await listAudit(db, filter, limit, behind), limit);
      const entries = page.map((entry) => ({
        id: entry.id,
        at: entry.at.toISOString(),
        actorId: entry.actor_id,
        credentialId: entry.credential_id,
        address: entry.address,
        action: entry.action,
        subjectId: entry.subject_id,
        details: entry.details,
      }));
      return { success: true as const, data: { entries, nextCursor: last ? String(last.id) : null } };
    },
  );
}
