import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { DERIVATIONS } from '../jobs/derivation.ts';
import { JOB_STATUSES } from '../jobs/job.ts';
import { MAX_IMAGE_BYTES } from '../media/image.ts';

/** What `export.json` says of itself. */
export const FORMAT = { format: 'sora-studio-export', version: 1 } as const;

export const ENTRIES = {
  about: 'export.json',
  videos: 'videos.jsonl',
  collections: 'collections.jsonl',
  batches: 'batches.jsonl',
  assets: 'assets.jsonl',
} as const;

/** Where a stored file stands in the archive. A name to look up, never a path to write to. */
export function entryOf(key: string): string {
  return `files/${key}`;
}

const Nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
const OneOf = <const T extends string>(values: readonly T[]) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values] });
const idOf = (prefix: string) => Type.String({ pattern: `^${prefix}_[0-9A-Za-z]{8,64}$` });
/** Only days and hours that there are: a date object of others is none. */
const Time = Type.String({
  pattern:
    '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,3})?Z$',
});
/** What PostgreSQL can keep. */
const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000]*$' });
const WebhookUrl = Type.String({ maxLength: 2048, pattern: '^https?://[^\\u0000]*$' });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Small = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });

const fileOf = <const T extends string>(contentTypes: readonly T[], maxBytes = Number.MAX_SAFE_INTEGER) =>
  Type.Object({
    key: Type.String({ minLength: 1, maxLength: 500 }),
    sizeBytes: Small(0, maxBytes),
    sha256: Hash,
    contentType: OneOf(contentTypes),
  });

export const VIDEO_ENDINGS = { 'video/mp4': 'mp4', 'video/quicktime': 'mov', 'video/webm': 'webm' } as const;
export const IMAGE_ENDINGS = { 'image/jpeg': 'jpeg', 'image/png': 'png', 'image/webp': 'webp' } as const;

const VideoFile = fileOf(Object.keys(VIDEO_ENDINGS) as (keyof typeof VIDEO_ENDINGS)[]);
const IMAGES = Object.keys(IMAGE_ENDINGS) as (keyof typeof IMAGE_ENDINGS)[];
const ImageFile = fileOf(IMAGES);
/** Read into memory as a whole when it is sent: none is larger than those that are taken here. */
const ReferenceFile = fileOf(IMAGES, MAX_IMAGE_BYTES);

export type VideoFile = Static<typeof VideoFile>;
export type ImageFile = Static<typeof ImageFile>;

const Result = Type.Object({
  seconds: Type.Number({ minimum: 0 }),
  width: Small(1, 100_000),
  height: Small(1, 100_000),
  codec: Type.String({ maxLength: 50 }),
  hasAudio: Type.Boolean(),
  files: Type.Object({
    video: VideoFile,
    thumbnail: Type.Optional(ImageFile),
    spritesheet: Type.Optional(ImageFile),
    preview: Type.Optional(ImageFile),
  }),
});

const Derived = Type.Object({
  by: OneOf(['provider', 'stand_in']),
  reference: Type.Optional(OneOf(['first_frame', 'last_frame', 'parent_reference'])),
});

/** One line of `videos.jsonl`. Lines of later releases may say more. */
const VideoRecord = Type.Object({
  id: idOf('video'),
  status: OneOf(JOB_STATUSES),
  name: Nullable(Type.String({ minLength: 1, maxLength: 200 })),
  prompt: Type.String({ minLength: 1, maxLength: 40_000 }),
  model: Type.String({ minLength: 1, maxLength: 300 }),
  upstreamModel: Type.String({ minLength: 1, maxLength: 300 }),
  connection: Type.String({ minLength: 1, maxLength: 100 }),
  seconds: Small(1, 100_000),
  width: Small(1, 100_000),
  height: Small(1, 100_000),
  priority: Small(-1, 1),
  progress: Small(0, 100),
  tags: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32, uniqueItems: true }),
  metadata: Type.Record(Type.String({ minLength: 1, maxLength: 64 }), Type.String({ maxLength: 512 }), {
    maxProperties: 32,
  }),
  webhookUrl: Nullable(WebhookUrl),
  reference: Nullable(ReferenceFile),
  assetId: Nullable(idOf('asset')),
  batchId: Nullable(idOf('batch')),
  batchIndex: Nullable(Small(0, 32_767)),
  collectionId: Nullable(idOf('col')),
  parentId: Nullable(idOf('video')),
  rootId: Nullable(idOf('video')),
  depth: Small(0, 32_767),
  derivation: Nullable(OneOf(DERIVATIONS)),
  derived: Nullable(Derived),
  starred: Type.Boolean(),
  pinned: Type.Boolean(),
  error: Nullable(
    Type.Object({
      code: Type.String({ minLength: 1, maxLength: 200 }),
      message: Nullable(Type.String({ maxLength: 10_000 })),
      retryable: Nullable(Type.Boolean()),
      charged: Nullable(Type.Boolean()),
    }),
  ),
  cancelOutcome: Nullable(
    OneOf(['not_started', 'cancelled', 'cancelled_billed', 'too_late', 'unknown', 'written_off']),
  ),
  estimatedMicros: Count,
  chargedMicros: Nullable(Count),
  result: Nullable(Result),
  previews: Small(0, 32_767),
  createdAt: Time,
  startedAt: Nullable(Time),
  finishedAt: Nullable(Time),
  trashedAt: Nullable(Time),
});

const CollectionRecord = Type.Object({
  id: idOf('col'),
  name: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$' }),
  createdAt: Time,
});

const BatchRecord = Type.Object({
  id: idOf('batch'),
  name: Nullable(Text(200)),
  webhookUrl: Nullable(WebhookUrl),
  createdAt: Time,
  finishedAt: Nullable(Time),
});

const AssetRecord = Type.Object({
  id: idOf('asset'),
  name: Nullable(Text(500)),
  source: OneOf(['upload', 'url', 'data_url', 'frame']),
  file: ReferenceFile,
  width: Small(1, 100_000),
  height: Small(1, 100_000),
  createdAt: Time,
  usedAt: Time,
});

const About = Type.Object({
  format: Type.Literal(FORMAT.format),
  version: Type.Literal(FORMAT.version),
  exportedAt: Time,
  counts: Type.Object({ videos: Count, collections: Count, batches: Count, assets: Count }),
  /** Files that were not in storage when the export was made. */
  missing: Type.Array(Type.Object({ id: Type.String(), key: Type.String() })),
});

export type VideoRecord = Static<typeof VideoRecord>;
export type CollectionRecord = Static<typeof CollectionRecord>;
export type BatchRecord = Static<typeof BatchRecord>;
export type AssetRecord = Static<typeof AssetRecord>;
export type About = Static<typeof About>;

export const RECORDS = {
  videos: Compile(VideoRecord),
  collections: Compile(CollectionRecord),
  batches: Compile(BatchRecord),
  assets: Compile(AssetRecord),
  about: Compile(About),
} as const;
