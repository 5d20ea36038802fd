import { type Static, Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';
import { ListFilter, Tags } from '../jobs/jobs.schemas.ts';
import { BULK_ACTIONS, BULK_LIMIT, type BulkAction } from './bulk-items.ts';

const strict = { additionalProperties: false } as const;

const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' });

/** `PATCH /api/v1/videos/:jobId`. */
export const PatchBody = Type.Object(
  {
    name: Type.Optional(Nullable(Type.String({ minLength: 1, maxLength: 200 }))),
    tags: Type.Optional(Tags),
    metadata: Type.Optional(
      Type.Record(Type.String({ minLength: 1, maxLength: 64 }), Nullable(Type.String({ maxLength: 512 })), {
        maxProperties: 64,
        description: 'Keys to set; `null` removes one; others stay. 32 at most.',
      }),
    ),
    starred: Type.Optional(Type.Boolean()),
    pinned: Type.Optional(Type.Boolean({ description: 'Kept by every retention rule.' })),
    collectionId: Type.Optional(Nullable(Type.String({ description: '`null`: out of its collection.' }))),
  },
  { ...strict, minProperties: 1, title: 'UpdateVideo' },
);

export const CollectionBody = Type.Object({ name: Name }, { ...strict, title: 'CollectionName' });

export const CollectionId = Type.Object({ collectionId: Type.String() });

export const CollectionSchema = Type.Object(
  {
    collectionId: Type.String(),
    name: Type.String(),
    videos: Type.Integer({ description: 'How many stand in it; the trash does not count.' }),
    bytes: Type.Integer({ description: 'What their files take.' }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { title: 'Collection' },
);

export const Ids = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  minItems: 1,
  maxItems: BULK_LIMIT,
  uniqueItems: true,
});

/** `POST /api/v1/videos/bulk`. */
export const BulkBody = Type.Object(
  {
    action: Type.Unsafe<BulkAction>({
      type: 'string',
      enum: [...BULK_ACTIONS],
      description:
        '`delete` moves to the trash and cancels what is open first; `purge` deletes for good; `retry` makes a new job of each failed or cancelled one.',
    }),
    ids: Type.Optional(Ids),
    filter: Type.Optional(ListFilter),
    cursor: Type.Optional(
      Type.String({ description: 'With a filter: `nextCursor` of the call before, to go on behind it.' }),
    ),
    tags: Type.Optional(Tags),
    collectionId: Type.Optional(Nullable(Type.String())),
    dryRun: Type.Optional(
      Type.Boolean({ default: false, description: 'Says what would be done, and does nothing.' }),
    ),
  },
  { ...strict, title: 'Bulk' },
);

export type BulkBody = Static<typeof BulkBody>;

export const BulkSchema = Type.Object(
  {
    action: Type.String(),
    dryRun: Type.Boolean(),
    total: Type.Integer({ description: `Videos of this call: ${BULK_LIMIT} at most.` }),
    succeeded: Type.Integer(),
    failed: Type.Integer(),
    remaining: Type.Integer({
      description: 'Videos of the filter behind them; beyond 10,000 an estimate.',
    }),
    nextCursor: Nullable(Type.String()),
    items: Type.Array(
      Type.Object({
        jobId: Type.String(),
        ok: Type.Boolean(),
        code: Type.Optional(Type.String()),
        message: Type.Optional(Type.String()),
        newJobId: Type.Optional(Type.String()),
      }),
    ),
  },
  { title: 'BulkResult' },
);
