import { type Static, type TSchema, Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';
import { CreateBody, JobSchema, Pagination } from '../jobs/jobs.schemas.ts';
import { BATCH_STATUSES } from './batch.ts';

const strict = { additionalProperties: false } as const;
const Time = Type.String({ format: 'date-time' });
/** What PostgreSQL can be asked about. */
const NO_NUL = String.raw`^[^\u0000]*$`;
const Count = Type.Integer({ minimum: 0 });

const Defaults = Type.Partial(CreateBody, {
  ...strict,
  title: 'BatchDefaults',
  description:
    'Fields for every video that does not set them itself. Tags and metadata of a video replace these, they are not joined.',
});

function envelope<Item extends TSchema>(item: Item) {
  return Type.Object(
    {
      name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
      defaults: Type.Optional(Defaults),
      videos: Type.Array(item, {
        description: 'The videos, each as in `POST /api/v1/videos`: 1 to `BATCH_MAX_VIDEOS`.',
      }),
      webhookUrl: Type.Optional(
        Type.String({
          format: 'uri',
          maxLength: 2048,
          pattern: '^https?://',
          description: 'For videos that have none of their own.',
        }),
      ),
    },
    { ...strict, title: 'CreateBatch' },
  );
}

/** The request but for its videos, which are judged one by one. */
export const EnvelopeSchema = envelope(Type.Unknown());

export type BatchEnvelope = Static<typeof EnvelopeSchema>;

const file = (description: string) => ({ schema: Type.String({ description }) });

/** What the document says about the body of `POST /videos/batch`. */
export const CreateBatchContent = {
  content: {
    'application/json': { schema: envelope(CreateBody) },
    'text/csv': file('A header row of field names, `metadata.NAME` among them; then a row for each video.'),
    'application/jsonl': file("A video per line, or a line in the format of OpenAI's Batch API."),
    'application/x-ndjson': file('The same as `application/jsonl`.'),
    'multipart/form-data': {
      schema: Type.Object({
        file: Type.String({ format: 'binary', description: 'A `.csv` or `.jsonl` file.' }),
        name: Type.Optional(Type.String()),
        defaults: Type.Optional(Type.String({ description: 'JSON.' })),
        webhookUrl: Type.Optional(Type.String()),
      }),
    },
  },
};

export const CreateBatchQuery = Type.Object(
  {
    dryRun: Type.Optional(
      Type.Boolean({ default: false, description: 'Check and estimate; create and fetch nothing.' }),
    ),
  },
  strict,
);

const Estimate = Type.Object({ estimatedUsd: Type.Number() });

export const CreatedBatchSchema = Type.Object(
  {
    batchId: Type.String(),
    name: Nullable(Type.String()),
    jobIds: Type.Array(Type.String()),
    total: Count,
    jobs: Type.Array(JobSchema),
    cost: Estimate,
  },
  { title: 'CreatedBatch' },
);

export const DryRunSchema = Type.Object(
  {
    dryRun: Type.Literal(true),
    total: Count,
    cost: Estimate,
    items: Type.Array(
      Type.Object({
        index: Count,
        model: Type.String(),
        provider: Type.String(),
        duration: Type.Integer(),
        resolution: Type.String(),
        estimatedUsd: Type.Number(),
      }),
    ),
  },
  { title: 'BatchDryRun' },
);

export const BatchSchema = Type.Object(
  {
    batchId: Type.String(),
    name: Nullable(Type.String()),
    status: Type.Unsafe<(typeof BATCH_STATUSES)[number]>({ type: 'string', enum: [...BATCH_STATUSES] }),
    progress: Type.Object(
      {
        total: Count,
        pending: Count,
        processing: Count,
        completed: Count,
        failed: Count,
        cancelled: Count,
        percentage: Type.Integer({
          description: "Mean of the videos' progress; one that has ended is at 100.",
        }),
      },
      { description: 'Of a video that was tried again the latest try counts.' },
    ),
    jobs: Type.Optional(Type.Array(JobSchema)),
    jobIds: Type.Optional(Type.Array(Type.String())),
    jobsUrl: Type.String({ description: 'Lists all jobs of the batch, former tries included.' }),
    createdAt: Time,
    completedAt: Nullable(Time),
    cost: Type.Object(
      { estimatedUsd: Type.Number(), chargedUsd: Type.Number() },
      { description: 'Of all tries together; charged is what is known by now.' },
    ),
  },
  { title: 'Batch' },
);

export const BatchId = Type.Object({ batchId: Type.String({ pattern: NO_NUL }) });

export const GetBatchQuery = Type.Object(
  {
    jobs: Type.Optional(
      Type.Unsafe<'full' | 'ids' | 'none'>({
        type: 'string',
        enum: ['full', 'ids', 'none'],
        default: 'full',
        description:
          '`full`: the first 100 jobs; `ids`: the ids of all; `none`: neither. The latest try of each video.',
      }),
    ),
  },
  strict,
);

export const ListBatchesQuery = Type.Object(
  {
    page: Type.Optional(Type.Integer({ minimum: 1, default: 1 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    cursor: Type.Optional(
      Type.String({ description: '`nextCursor` of the page before; instead of `page`.' }),
    ),
    status: Type.Optional(Type.String({ description: `Several by comma: ${BATCH_STATUSES.join(', ')}.` })),
    q: Type.Optional(Type.String({ maxLength: 200, pattern: NO_NUL, description: 'A part of the name.' })),
    from: Type.Optional(Type.String({ description: 'Created at or after: ISO 8601.' })),
    to: Type.Optional(Type.String({ description: 'Created at or before: ISO 8601.' })),
  },
  strict,
);

export type ListBatchesQuery = Static<typeof ListBatchesQuery>;

export const BatchPage = Type.Object({
  success: Type.Literal(true),
  data: Type.Array(BatchSchema),
  pagination: Pagination,
});

export const CancelledBatchSchema = Type.Object(
  {
    batchId: Type.String(),
    cancelled: Count,
    alreadyFinished: Count,
    outcomes: Type.Object(
      {
        not_started: Count,
        cancelled: Count,
        cancelled_billed: Count,
        too_late: Count,
        unknown: Count,
      },
      { description: 'What came of it upstream, of those that this call cancelled.' },
    ),
    batch: BatchSchema,
  },
  { title: 'CancelledBatch' },
);

export const BatchEventsQuery = Type.Object(
  {
    after: Type.Optional(
      Type.Integer({ minimum: 0, default: 0, description: 'Id of the last event you have.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  strict,
);

export const BatchEventSchema = Type.Object(
  {
    id: Type.Integer(),
    type: Type.String(),
    jobId: Nullable(Type.String({ description: 'null: the event is about the batch itself.' })),
    createdAt: Time,
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'BatchEvent' },
);
