import { type Static, Type } from 'typebox';
import { type Priority, PRIORITIES } from '../jobs/job.ts';
import { CreateBody } from '../jobs/jobs.schemas.ts';
import { WAYS } from './derive.ts';

const strict = { additionalProperties: false } as const;

const Via = Type.Optional(
  Type.Unsafe<(typeof WAYS)[number]>({
    type: 'string',
    enum: [...WAYS],
    default: 'auto',
    description:
      '`provider`: its own operation, or a refusal; `stand_in`: a new video that starts from a picture of the parent; ' +
      '`auto`: the provider if it can, else a stand-in.',
  }),
);

const { prompt, name, tags, metadata, webhookUrl } = CreateBody.properties;
const model = Type.Optional(
  Type.String({ description: "A name from `GET /api/v1/models`; unset: the parent's." }),
);
const priority = Type.Optional(
  Type.Unsafe<Priority>({
    type: 'string',
    enum: Object.keys(PRIORITIES),
    description: "Unset: the parent's.",
  }),
);
const kept = { prompt, via: Via, model, name, tags, metadata, priority, webhookUrl };

/** `POST /api/v1/videos/:jobId/remix` and `/edit`. What is left out is the parent's. */
export const RemixBody = Type.Object(
  {
    ...kept,
    duration: Type.Optional(Type.Integer({ minimum: 1, description: "Seconds; unset: the parent's." })),
    resolution: Type.Optional(
      Type.String({ description: "`720p`, `1080p`, `2k`, `4k` or `WxH`; unset: the parent's." }),
    ),
    aspectRatio: Type.Optional(Type.String({ description: '`16:9`, `9:16`, …' })),
    aspect_ratio: Type.Optional(Type.String({ description: 'The same as `aspectRatio`.' })),
  },
  { ...strict, title: 'RemixVideo' },
);

/** `POST /api/v1/videos/:jobId/extend`. An extension has the size of its parent. */
export const ExtendBody = Type.Object(
  {
    ...kept,
    duration: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Seconds to add; unset: the model decides.' }),
    ),
  },
  { ...strict, title: 'ExtendVideo' },
);

export const RetryBody = Type.Object({}, { ...strict, title: 'RetryVideo' });

export type RemixBody = Static<typeof RemixBody>;
export type ExtendBody = Static<typeof ExtendBody>;
