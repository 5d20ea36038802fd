import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ImageInput, parseImageText } from '../assets/image-input.ts';
import { AppError } from '../core/errors.ts';
import { asObject } from '../core/json.ts';
import { readForm } from '../http/form.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The uploaded first-frame image of a multipart request. */
    reference: Buffer | undefined;
  }
}

/** Fields under which a form may bring the image. */
const FILE_FIELDS = new Set(['input_reference', 'inputReference']);

export interface BodyReaderOptions {
  /** Fields that stay text. */
  textFields?: readonly string[];
  /** Told of every file before it is read: throws for those that are not wanted. */
  onFile?(field: string): void;
}

/**
 * Before validation: gives a multipart request the body that the same request has as JSON, so that one schema judges
 * both, and refuses texts that no database can keep.
 */
export function createBodyReader(options: BodyReaderOptions = {}) {
  return async (request: FastifyRequest): Promise<void> => {
    if (request.isMultipart()) {
      const { fields, files } = await readForm(request, { onFile: options.onFile });
      for (const [field, data] of Object.entries(files)) {
        if (!FILE_FIELDS.has(field)) {
          throw new AppError('unknown_field', { message: `There is no file field ${field}.`, param: field });
        }
        request.reference = data;
      }
      request.body = convert(fields, options.textFields ?? []);
    }
    if (asObject(request.body) === undefined) {
      const code = request.body === undefined ? 'invalid_json' : 'invalid_request';
      throw new AppError(code, { message: 'The body must be a JSON object or a form.' });
    }
    refuseUnstorable(request.body, []);
  };
}

/** The image a creating request brings, if any. Throws `invalid_request` for what goes with none, or with another. */
export function readReference(
  body: { inputReference?: string | undefined; referenceFit?: string | undefined },
  uploaded: Buffer | undefined,
): ImageInput | undefined {
  const { inputReference: text, referenceFit: fit } = body;
  if (uploaded && text !== undefined) {
    throw new AppError('invalid_request', {
      message: 'Give one inputReference: a file or a text.',
      param: 'input_reference',
    });
  }
  if (uploaded) return { data: uploaded };
  if (text !== undefined) return parseImageText(text);
  if (fit === undefined) return undefined;
  throw new AppError('invalid_request', {
    message: 'referenceFit is about an inputReference: give that as well.',
    param: 'referenceFit',
  });
}

/** The answer to a creating request; a repeated one is marked as such. */
export function sendCreated(reply: FastifyReply, created: { body: string; replayed: boolean }) {
  if (created.replayed) void reply.header('idempotent-replayed', 'true');
  return reply.type('application/json; charset=utf-8').send(created.body as never);
}

/** Forms know only text: numbers, lists and objects are read out of it where the native API wants them. */
function convert(fields: Record<string, unknown>, textFields: readonly string[]): Record<string, unknown> {
  const body = { ...fields };
  const { duration, tags, metadata } = fields;
  if (typeof duration === 'string' && /^\d+$/.test(duration) && !textFields.includes('duration')) {
    body['duration'] = Number(duration);
  }
  if (typeof tags === 'string') body['tags'] = tags.split(',').map((tag) => tag.trim());
  if (typeof metadata === 'string') body['metadata'] = parseJson(metadata);
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AppError('invalid_request', { message: 'metadata must be a JSON object.', param: 'metadata' });
  }
}

/** NUL and lone surrogates are no text: PostgreSQL refuses them, so they are refused here, with the field's name. */
export function refuseUnstorable(value: unknown, path: readonly string[]): void {
  if (typeof value === 'string') {
    if (path[0] !== 'prompt' && (value.includes('\u0000') || !value.isWellFormed())) {
      const param = path.join('.');
      throw new AppError('invalid_request', { message: `${param} has characters that are no text.`, param });
    }
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    refuseUnstorable(key, [...path, 'a field name']);
    refuseUnstorable(inner, [...path, key]);
  }
}
