import { type Static, Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';

const strict = { additionalProperties: false } as const;

/** `POST /v1/videos`, as JSON or as a form. */
export const CreateVideoBody = Type.Object(
  {
    prompt: Type.String({ description: '1 to 32,000 characters.' }),
    model: Type.Optional(Type.String()),
    seconds: Type.Optional(
      Type.Union([Type.String({ pattern: '^[0-9]{1,4}$' }), Type.Integer({ minimum: 1 })], {
        description: 'A number or its text; the answer always has text.',
      }),
    ),
    size: Type.Optional(Type.String({ description: '`WxH`' })),
    input_reference: Type.Optional(
      Type.Union([
        Type.Object(
          {
            image_url: Type.String({
              description: 'An http(s) address or a data URL of a JPEG, PNG or WebP.',
            }),
          },
          strict,
        ),
        Type.Object({ file_id: Type.String({ description: 'An asset id.' }) }, strict),
      ]),
    ),
  },
  { ...strict, title: 'OpenAICreateVideo' },
);

export type CreateVideoBody = Static<typeof CreateVideoBody>;

const Prompt = Type.String({ description: '1 to 32,000 characters.' });

const SourceVideo = Type.Object(
  { id: Type.String({ description: 'A completed video of yours.' }) },
  { ...strict, description: 'In a form: `video[id]`.' },
);

/** `POST /v1/videos/:video_id/remix`. */
export const RemixVideoBody = Type.Object({ prompt: Prompt }, { ...strict, title: 'OpenAIRemixVideo' });

/** `POST /v1/videos/edits`. */
export const EditVideoBody = Type.Object(
  { prompt: Prompt, video: SourceVideo },
  { ...strict, title: 'OpenAIEditVideo' },
);

/** `POST /v1/videos/extensions`. */
export const ExtendVideoBody = Type.Object(
  {
    prompt: Prompt,
    seconds: Type.Union([Type.String({ pattern: '^[0-9]{1,4}$' }), Type.Integer({ minimum: 1 })], {
      description: 'What to add: a number or its text.',
    }),
    video: SourceVideo,
  },
  { ...strict, title: 'OpenAIExtendVideo' },
);

export const VideoId = Type.Object({ video_id: Type.String() });

export const ListVideosQuery = Type.Object(
  {
    after: Type.Optional(Type.String({ description: 'The last id of the page before.' })),
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 100, default: 20 })),
    order: Type.Optional(
      Type.Unsafe<'asc' | 'desc'>({ type: 'string', enum: ['asc', 'desc'], default: 'desc' }),
    ),
  },
  strict,
);

export const VideoContentQuery = Type.Object(
  {
    variant: Type.Optional(
      Type.Unsafe<'video' | 'thumbnail' | 'spritesheet'>({
        type: 'string',
        enum: ['video', 'thumbnail', 'spritesheet'],
        default: 'video',
      }),
    ),
  },
  strict,
);

export const VideoSchema = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('video'),
    model: Type.String(),
    status: Type.Unsafe<'queued' | 'in_progress' | 'completed' | 'failed'>({
      type: 'string',
      enum: ['queued', 'in_progress', 'completed', 'failed'],
    }),
    progress: Type.Integer(),
    prompt: Nullable(Type.String()),
    created_at: Type.Integer(),
    completed_at: Nullable(Type.Integer()),
    expires_at: Nullable(Type.Integer()),
    size: Type.String(),
    seconds: Type.String(),
    remixed_from_video_id: Nullable(Type.String()),
    error: Nullable(Type.Object({ code: Type.String(), message: Type.String() })),
    derivation: Nullable(
      Type.Object(
        {
          kind: Type.String(),
          parent_id: Type.String(),
          root_id: Type.String(),
          depth: Type.Integer(),
          by: Nullable(Type.String()),
          note: Nullable(Type.String()),
        },
        { description: 'How it was made from another video; `note` says what a stand-in did.' },
      ),
    ),
    upstream_model: Type.String({ description: "The upstream's own name, where `model` is an alias." }),
  },
  { title: 'Video' },
);

export const VideoListSchema = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(VideoSchema),
  first_id: Nullable(Type.String()),
  last_id: Nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const DeletedSchema = Type.Object({
  id: Type.String(),
  object: Type.Literal('video.deleted'),
  deleted: Type.Literal(true),
});

export const OpenAiFailure = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      param: Nullable(Type.String()),
      code: Nullable(Type.String()),
    }),
  },
  { title: 'OpenAIError' },
);

export const ModelsSchema = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(Type.Record(Type.String(), Type.Unknown())),
});
