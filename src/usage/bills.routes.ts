import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { Type } from 'typebox';
import { actorOf } from '../accounts/actor.ts';
import type { Clock } from '../core/clock.ts';
import { writeCsv } from '../core/csv.ts';
import { AppError } from '../core/errors.ts';
import { microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { readForm } from '../http/form.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { compareBill, type Drift } from './bill-drift.ts';
import { type DriftRow, percentOf } from './bills.ts';
import { readBill } from './bills-csv.ts';
import { readTimeZone } from './reports.ts';
import { wantsCsv } from './reports.routes.ts';
import { requireZone } from './rollup.repository.ts';

export interface BillRoutesOptions {
  db: Kysely<DB>;
  clock: Clock;
  bodyLimitBytes: number;
}

const BillQuery = Type.Object(
  {
    provider: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[^\\u0000]*$',
      description: 'The connection whose bill it is.',
    }),
    timeZone: Type.Optional(Type.String({ default: 'UTC', description: 'Whose days the bill has.' })),
    correct: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Writes corrections for lines that name an operation of exactly one attempt.',
      }),
    ),
    format: Type.Optional(Type.Unsafe<'json' | 'csv'>({ type: 'string', enum: ['json', 'csv'] })),
  },
  { additionalProperties: false },
);

const Usd = Type.Number();

const DriftSchema = Type.Object(
  {
    provider: Type.String(),
    from: Type.String({ description: 'The first day of the bill.' }),
    to: Type.String({ description: 'The last one.' }),
    timeZone: Type.String(),
    columns: Type.Record(Type.String(), Type.String(), { description: 'What was read from which column.' }),
    lines: Type.Integer(),
    total: Type.Object({ providerUsd: Usd, ledgerUsd: Usd, differenceUsd: Usd }),
    days: Type.Array(
      Type.Object({
        day: Type.String(),
        model: Nullable(Type.String({ description: 'null: the bill names none.' })),
        side: Type.String({ description: '`both`, or who alone knows of it: `provider`, `ledger`.' }),
        providerUsd: Usd,
        ledgerUsd: Usd,
        differenceUsd: Type.Number({ description: 'What the provider says less what the ledger says.' }),
        percent: Nullable(Type.Number({ description: 'Of the ledger; null where that is nothing.' })),
        providerSeconds: Nullable(Type.Number()),
        ledgerSeconds: Type.Integer(),
      }),
    ),
    operations: Type.Object({
      counts: Type.Record(Type.String(), Type.Integer()),
      different: Type.Array(
        Type.Object({
          operation: Type.String(),
          line: Type.Integer(),
          standing: Type.String({
            description:
              '`differs`, `corrected`, `orphan` (work that no video pays for), `unknown` here, `ambiguous` (several attempts), `open` (the job has not ended), `negative`.',
          }),
          jobId: Nullable(Type.String()),
          billUsd: Usd,
          ledgerUsd: Nullable(Usd),
        }),
        { description: 'The first 1,000.' },
      ),
      unbilled: Nullable(
        Type.Object(
          {
            count: Type.Integer(),
            jobs: Type.Array(Type.Object({ jobId: Type.String(), chargedUsd: Usd })),
          },
          { description: 'Charged in this time and not named by the bill; null: it names no operations.' },
        ),
      ),
    }),
    correctedUsd: Type.Number({ description: 'What corrections came to.' }),
  },
  { title: 'BillDrift' },
);

/** `POST /api/v1/admin/bills`. It takes CSV, which other routes do not: register it in a scope. */
export function registerBillRoutes(server: Server, options: BillRoutesOptions): void {
  server.addContentTypeParser('text/csv', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  server.post(
    '/bills',
    {
      // A file is no JSON: it is judged by whoever reads it.
      validatorCompiler: (part) => {
        if (part.httpPart === 'body') return () => true;
        const compile = server.validatorCompiler;
        return compile ? compile(part) : () => true;
      },
      schema: {
        tags: ['Administration'],
        security: KEY_REQUIRED,
        operationId: 'compareBill',
        summary: "Hold a provider's bill against the ledger",
        description:
          'Send a CSV table as `text/csv`, or as the field `file` of a form, with the columns date or time, amount in USD and, if there are, model, seconds and operation id; others are left out. Nothing is changed without `correct=true`.',
        querystring: BillQuery,
        response: { 200: Success(DriftSchema), ...failures([400, 403, 413, 415]) },
      },
    },
    async (request, reply) => {
      const { provider, correct = false, format } = request.query;
      const timeZone = readTimeZone(request.query.timeZone);
      await requireZone(options.db, timeZone);
      const { lines, columns } = await readBill(await fileOf(request, options.bodyLimitBytes), timeZone);
      const drift = await compareBill(options, lines, {
        connection: provider,
        timeZone,
        corrector: correct ? actorOf(request) : undefined,
      });
      if (wantsCsv(request, format)) {
        void reply.type('text/csv; charset=utf-8');
        return reply.send(tableOf(drift.days) as never);
      }
      const facts = { provider, timeZone, columns, lines: lines.length };
      return { success: true as const, data: { ...facts, ...viewDrift(drift) } };
    },
  );
}

async function fileOf(request: FastifyRequest, fileSize: number): Promise<Buffer> {
  if (Buffer.isBuffer(request.body)) return request.body;
  if (!request.isMultipart())
    throw new AppError('unsupported_media_type', { message: 'Send the bill as text/csv or in a form.' });
  const { file } = (await readForm(request, { fileSize })).files;
  if (!file)
    throw new AppError('invalid_request', { message: 'Send the bill in the field `file`.', param: 'file' });
  return file;
}

function viewDay(row: DriftRow) {
  return {
    day: row.day,
    model: row.model === '' ? null : row.model,
    side: row.side,
    providerUsd: microsToUsd(row.providerMicros),
    ledgerUsd: microsToUsd(row.ledgerMicros),
    differenceUsd: microsToUsd(row.providerMicros - row.ledgerMicros),
    percent: percentOf(row),
    providerSeconds: row.providerSeconds,
    ledgerSeconds: row.ledgerSeconds,
  };
}

function viewDrift({ from, to, days, standings, operations, unbilled, correctedMicros }: Drift) {
  const sum = (name: 'providerMicros' | 'ledgerMicros') => days.reduce((total, row) => total + row[name], 0);
  const [providerMicros, ledgerMicros] = [sum('providerMicros'), sum('ledgerMicros')];
  return {
    from,
    to,
    total: {
      providerUsd: microsToUsd(providerMicros),
      ledgerUsd: microsToUsd(ledgerMicros),
      differenceUsd: microsToUsd(providerMicros - ledgerMicros),
    },
    days: days.map(viewDay),
    operations: {
      counts: standings,
      different: operations.map(({ billMicros, ledgerMicros: ledger, ...rest }) =>
        Object.assign(rest, {
          billUsd: microsToUsd(billMicros),
          ledgerUsd: ledger === null ? null : microsToUsd(ledger),
        }),
      ),
      unbilled: unbilled && {
        count: unbilled.count,
        jobs: unbilled.jobs.map(({ jobId, charged }) => ({ jobId, chargedUsd: microsToUsd(charged) })),
      },
    },
    correctedUsd: microsToUsd(correctedMicros),
  };
}

function tableOf(days: readonly DriftRow[]): string {
  const rows = days.map(viewDay);
  const head = [
    'day',
    'model',
    'side',
    'providerUsd',
    'ledgerUsd',
    'differenceUsd',
    'percent',
    'providerSeconds',
    'ledgerSeconds',
  ] as const;
  return writeCsv(
    head,
    rows.map((row) => head.map((name) => row[name])),
  );
}
