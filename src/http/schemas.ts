import { type TSchema, Type } from 'typebox';

/** `{ success: true, data }`. */
export function Success<Data extends TSchema>(data: Data) {
  return Type.Object({ success: Type.Literal(true), data });
}

export const Failure = Type.Object(
  {
    success: Type.Literal(false),
    error: Type.Object({
      code: Type.String({ description: 'Stable and machine-readable; docs/errors.md lists all of them.' }),
      message: Type.String(),
      details: Type.Optional(Type.Unknown()),
      requestId: Type.String(),
    }),
  },
  { title: 'Failure' },
);

const REASONS: Readonly<Record<number, string>> = {
  400: 'The request is wrong: `error.code` and `error.details` say how.',
  401: 'No API key, or one that is not valid.',
  402: 'The budget does not suffice: `error.details.exceeded` says what is left, and when it starts anew.',
  403: 'Your API key may not do that, or not with this model.',
  404: 'There is no such thing, or it is not yours.',
  409: 'It does not go with where the video stands.',
  413: 'The body is too large.',
  422: 'The Idempotency-Key was used before, for another request.',
  415: 'Send the body as application/json or multipart/form-data.',
  416: 'The file has no such range.',
  429: 'Too many requests: wait for `Retry-After` seconds. Or a quota does not suffice: `x-should-retry` is `false` then.',
  503: 'Not right now.',
};

/** Documented failures of a guarded route, by status, in this API's shape; 401, 403 and 429 are always among them. */
export function failures(statuses: number[], shape: TSchema = Failure): Record<number, TSchema> {
  return Object.fromEntries(
    [401, 403, 429, ...statuses].map((status) => [
      status,
      { ...shape, description: REASONS[status] ?? 'Failed.' } as TSchema,
    ]),
  );
}

/** Documented answers of a route that sends files. */
export const FILE_ANSWERS: Record<number, unknown> = {
  200: binary('The whole file.'),
  206: binary('The range asked for.'),
  302: {
    type: 'null',
    description: 'Where the file is, for a short while: with `S3_DOWNLOADS=links` only, and never for HEAD.',
  },
  304: { type: 'null', description: 'You have it already.' },
};

function binary(description: string): unknown {
  const schema = { type: 'string', format: 'binary' };
  const types = ['video/mp4', 'video/webm', 'image/webp', 'image/jpeg'];
  return { description, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}

export const Nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
