import { type Static, Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';
import { IMAGE_TYPES } from '../media/image.ts';

const strict = { additionalProperties: false } as const;

const Enum = <const T extends string>(values: readonly T[], options: object = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options });

const FITS = ['cover', 'contain'] as const;

/** `POST /api/v1/assets`: as JSON, or the same fields in a form that brings the image as `file`. */
export const CreateAssetBody = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        description: 'An http(s) address that is public, or a data URL; in a form, upload `file` instead.',
      }),
    ),
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        pattern: '^[^\\u0000]*$',
        description: 'For you to know it by.',
      }),
    ),
    resolution: Type.Optional(
      Type.String({
        description: '`WxH`: store a version in exactly this size in place of the image itself.',
      }),
    ),
    fit: Type.Optional(
      Enum(FITS, {
        description:
          'How to get there: `cover` (the default) crops what sticks out, `contain` pads with black.',
      }),
    ),
  },
  { ...strict, title: 'CreateAsset' },
);

export type CreateAssetBody = Static<typeof CreateAssetBody>;

export const AssetId = Type.Object({ assetId: Type.String() });

export const AssetsQuery = Type.Object(
  {
    page: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    cursor: Type.Optional(
      Type.String({ description: '`nextCursor` of the page before; instead of `page`.' }),
    ),
  },
  strict,
);

const FIELDS = {
  assetId: Type.String(),
  name: Nullable(Type.String()),
  source: Enum(['upload', 'url', 'data_url', 'frame'], { description: 'Where it came from.' }),
  contentType: Enum(IMAGE_TYPES),
  width: Type.Integer(),
  height: Type.Integer(),
  fileSize: Type.Integer({ description: 'Bytes, as it is kept.' }),
  sha256: Type.String({ description: 'Of the file as it is kept, which is what a provider gets.' }),
  createdAt: Type.String({ format: 'date-time' }),
  url: Type.String({ description: 'Path on this server; needs the API key.' }),
};

export const AssetSchema = Type.Object(FIELDS, { title: 'Asset' });

export const TakenAssetSchema = Type.Object(
  {
    ...FIELDS,
    original: Type.Object(
      { width: Type.Integer(), height: Type.Integer() },
      { description: 'The size it came in, upright.' },
    ),
    scaled: Nullable(Enum(FITS, { description: 'How it was brought to another size; null: it was not.' })),
  },
  { title: 'TakenAsset' },
);

export const AssetListSchema = Type.Object({
  success: Type.Literal(true),
  data: Type.Array(AssetSchema),
  pagination: Type.Object({
    page: Nullable(Type.Integer()),
    limit: Type.Integer(),
    total: Type.Integer(),
    totalPages: Type.Integer(),
    nextCursor: Nullable(Type.String()),
  }),
});

export const DeletedAssetSchema = Type.Object({ assetId: Type.String(), deleted: Type.Literal(true) });

const binary = { schema: { type: 'string', format: 'binary' } };
const file = (description: string) => ({
  description,
  content: Object.fromEntries(IMAGE_TYPES.map((type) => [type, binary])),
});

/** Documented answers of the route that sends the image. */
export const IMAGE_ANSWERS: Record<number, unknown> = {
  200: file('The whole image.'),
  206: file('The range asked for.'),
  304: { type: 'null', description: 'You have it already.' },
};
