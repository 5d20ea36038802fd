import { type Static, Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';
import { DERIVATIONS } from './derivation.ts';
import { JOB_STATUSES } from './job.ts';
import { SORTS } from './job-list.repository.ts';

const strict = { additionalProperties: false } as const;

const Enum = <const T extends string>(values: readonly T[], options: object = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options });

export const Tags = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
  maxItems: 32,
  uniqueItems: true,
});

export const Metadata = Type.Record(
  Type.String({ minLength: 1, maxLength: 64 }),
  Type.String({ maxLength: 512 }),
  {
    maxProperties: 32,
    description: 'Your own facts about the video: up to 32 texts.',
  },
);

/** `POST /api/v1/videos`. */
export const CreateBody = Type.Object(
  {
    prompt: Type.String({ description: 'What the video shows: 1 to 32,000 characters.' }),
    model: Type.Optional(
      Type.String({ description: 'A name from `GET /api/v1/models`; unset: the default model.' }),
    ),
    duration: Type.Optional(Type.Integer({ minimum: 1, description: 'Seconds; unset: the model decides.' })),
    resolution: Type.Optional(Type.String({ description: '`720p`, `1080p`, `2k`, `4k` or `WxH`.' })),
    aspectRatio: Type.Optional(Type.String({ description: '`16:9`, `9:16`, …' })),
    aspect_ratio: Type.Optional(Type.String({ description: 'The same as `aspectRatio`.' })),
    inputReference: Type.Optional(
      Type.String({
        description:
          'First frame: an asset id, an http(s) address or a data URL; or upload a file in a form.',
      }),
    ),
    referenceFit: Type.Optional(
      Enum(['cover', 'contain'], {
        description:
          'Brings the image to the size of the video: `cover` crops, `contain` pads. Unset: it is sent as it is.',
      }),
    ),
    priority: Type.Optional(Enum(['low', 'normal', 'high'], { default: 'normal' })),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    tags: Type.Optional(Tags),
    metadata: Type.Optional(Metadata),
    webhookUrl: Type.Optional(Type.String({ format: 'uri', maxLength: 2048, pattern: '^https?://' })),
  },
  { ...strict, title: 'CreateVideo' },
);

export type CreateBody = Static<typeof CreateBody>;

export const CreateHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description: 'The same key within 24 hours gives the first answer again, and never a second video.',
    }),
  ),
});

export const JobId = Type.Object({ jobId: Type.String() });

const FILTER_FIELDS = {
  status: Type.Optional(Type.String({ description: `Several by comma: ${JOB_STATUSES.join(', ')}.` })),
  model: Type.Optional(Type.String({ description: 'Several by comma.' })),
  provider: Type.Optional(Type.String()),
  batchId: Type.Optional(Type.String()),
  tag: Type.Optional(Type.String({ description: 'Several by comma: videos that have all of them.' })),
  q: Type.Optional(Type.String({ maxLength: 200, description: 'Words in prompt or name.' })),
  from: Type.Optional(Type.String({ description: 'Created at or after: ISO 8601.' })),
  to: Type.Optional(Type.String({ description: 'Created at or before: ISO 8601.' })),
  collection: Type.Optional(
    Type.String({ description: 'The id of a collection, or `none`: videos that stand in none.' }),
  ),
  starred: Type.Optional(Type.Boolean()),
  pinned: Type.Optional(Type.Boolean()),
  parent: Type.Optional(Type.String({ description: 'What was made from this video, directly.' })),
  trashed: Type.Optional(
    Type.Boolean({ description: 'The trash, and only that, latest first; otherwise what is not in it.' }),
  ),
};

/** The fields that narrow a list. */
export const ListFilter = Type.Object(FILTER_FIELDS, { ...strict, title: 'VideoFilter' });

export type ListFilter = Static<typeof ListFilter>;

export const ListQuery = Type.Object(
  {
    page: Type.Optional(Type.Integer({ minimum: 1, default: 1 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    cursor: Type.Optional(
      Type.String({ description: '`nextCursor` of the page before; instead of `page`.' }),
    ),
    ...FILTER_FIELDS,
    sort: Type.Optional(
      Enum(Object.keys(SORTS) as (keyof typeof SORTS)[], {
        description: 'Unset: `createdAt`; the trash is always sorted by `trashedAt`.',
      }),
    ),
    order: Type.Optional(Enum(['asc', 'desc'], { default: 'desc' })),
  },
  strict,
);

export type ListQuery = Static<typeof ListQuery>;

export const ContentQuery = Type.Object(
  {
    variant: Type.Optional(Enum(['video', 'thumbnail', 'spritesheet', 'preview'], { default: 'video' })),
    download: Type.Optional(Type.Boolean({ default: false, description: 'Ask browsers to save the file.' })),
  },
  strict,
);

export const DeleteQuery = Type.Object(
  {
    purge: Type.Optional(
      Type.Boolean({ default: false, description: 'Delete a finished video and its files, for good.' }),
    ),
    trash: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Move it to the trash; an open one is cancelled first. It can be restored.',
      }),
    ),
  },
  strict,
);

const Time = Type.String({ format: 'date-time' });

export const ResultSchema = Type.Object(
  {
    videoUrl: Type.String({ description: 'Path on this server; needs the API key.' }),
    thumbnailUrl: Nullable(Type.String()),
    spritesheetUrl: Nullable(Type.String()),
    previewUrl: Nullable(Type.String({ description: 'Animated WebP, for hovering.' })),
    duration: Type.Number({ description: 'Seconds, measured.' }),
    resolution: Type.String(),
    fileSize: Type.Integer({ description: 'Bytes.' }),
    sha256: Type.String(),
    contentType: Type.String(),
  },
  { title: 'Result' },
);

export const DerivationSchema = Type.Object(
  {
    kind: Enum(DERIVATIONS),
    parentId: Type.String(),
    rootId: Type.String({ description: 'The first video of the lineage.' }),
    depth: Type.Integer({ description: 'Steps from the first video.' }),
    by: Nullable(Enum(['provider', 'stand_in'])),
    note: Nullable(Type.String({ description: 'What a stand-in did in place of the provider.' })),
  },
  { title: 'Derivation' },
);

export const JobSchema = Type.Object(
  {
    jobId: Type.String(),
    batchId: Nullable(Type.String()),
    name: Nullable(Type.String()),
    status: Enum(JOB_STATUSES),
    progress: Type.Integer({ minimum: 0, maximum: 100 }),
    stage: Type.String({
      description: 'Where exactly it stands: queued, submitting, unconfirmed, rendering, …',
    }),
    model: Type.String(),
    upstreamModel: Type.String(),
    provider: Type.String(),
    prompt: Type.String(),
    duration: Type.Integer({ description: 'Seconds, as asked for.' }),
    resolution: Type.String(),
    priority: Enum(['low', 'normal', 'high']),
    tags: Type.Array(Type.String()),
    metadata: Type.Record(Type.String(), Type.String()),
    remixedFrom: Nullable(
      Type.String({ description: 'The video it was made from, by remix, edit or extend.' }),
    ),
    retryOf: Nullable(Type.String({ description: 'The failed or cancelled job it tries again.' })),
    derivation: Nullable(DerivationSchema),
    batchIndex: Nullable(Type.Integer({ description: 'Its place in the batch, from 0.' })),
    collectionId: Nullable(Type.String()),
    starred: Type.Boolean(),
    pinned: Type.Boolean({ description: 'Kept by every retention rule.' }),
    inputReference: Nullable(Type.String({ description: 'The asset it starts from.' })),
    trashedAt: Nullable(Time),
    createdAt: Time,
    startedAt: Nullable(Time),
    completedAt: Nullable(Time),
    estimatedCompletionTime: Nullable(Time),
    cost: Type.Object({ estimatedUsd: Type.Number(), chargedUsd: Nullable(Type.Number()) }),
    error: Nullable(
      Type.Object({
        code: Type.String(),
        message: Type.String(),
        retryable: Type.Boolean(),
        charged: Nullable(Type.Boolean({ description: 'null: nobody knows yet.' })),
      }),
    ),
    lastError: Nullable(
      Type.Object(
        { code: Type.String(), message: Type.String(), at: Time },
        { description: 'What an open video has been waiting for over the last ten minutes or longer.' },
      ),
    ),
    cancellation: Nullable(
      Type.Object(
        {
          outcome: Enum([
            'not_started',
            'cancelled',
            'cancelled_billed',
            'too_late',
            'unknown',
            'written_off',
          ]),
          message: Type.String(),
        },
        { description: 'What came of cancelling it upstream.' },
      ),
    ),
    result: Nullable(ResultSchema),
  },
  { title: 'Job' },
);

export const PurgedSchema = Type.Object({ jobId: Type.String(), purged: Type.Literal(true) });

export const EventSchema = Type.Object({
  id: Type.Integer(),
  type: Type.String(),
  createdAt: Time,
  data: Type.Record(Type.String(), Type.Unknown()),
});

export const Pagination = Type.Object({
  page: Nullable(Type.Integer()),
  limit: Type.Integer(),
  total: Type.Integer(),
  totalPages: Type.Integer(),
  totalIsEstimate: Type.Optional(Type.Boolean({ description: 'Beyond 10,000 the total is an estimate.' })),
  nextCursor: Nullable(Type.String()),
});
