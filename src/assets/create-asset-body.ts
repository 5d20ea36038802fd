import type { FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import { asObject } from '../core/json.ts';
import { readForm } from '../http/form.ts';
import { MAX_PIXELS, MAX_SIDE, type Scale } from '../media/image.ts';
import { parseSize } from '../providers/model.ts';
import type { CreateAssetBody } from './assets.schemas.ts';
import type { ImageInput } from './image-input.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The uploaded file of a form that makes an asset. */
    image: Buffer | undefined;
  }
}

/** Before validation: gives a form the body that the same request has as JSON. */
export async function readAssetBody(request: FastifyRequest): Promise<void> {
  if (request.isMultipart()) {
    const { fields, files } = await readForm(request);
    for (const [field, data] of Object.entries(files)) {
      if (field !== 'file') {
        throw new AppError('unknown_field', { message: `There is no file field ${field}.`, param: field });
      }
      request.image = data;
    }
    request.body = fields;
  }
  if (asObject(request.body) === undefined) {
    throw new AppError('invalid_request', { message: 'The body must be a JSON object or a form.' });
  }
}

/** The image a request brings, in one way exactly, and the field it comes in. Throws `invalid_request`. */
export function imageIn(
  body: CreateAssetBody,
  file: Buffer | undefined,
): { input: ImageInput; param: string } {
  if ((file === undefined) === (body.url === undefined)) {
    throw bad('url', 'Give one image: upload it as file in a form, or name its address as url.');
  }
  return file ? { input: { data: file }, param: 'file' } : { input: { url: body.url ?? '' }, param: 'url' };
}

/** The size a request asks for, if it asks for one. Throws `invalid_request`. */
export function scaleIn({ resolution, fit }: CreateAssetBody): Scale | undefined {
  if (resolution === undefined) {
    if (fit !== undefined) throw bad('fit', 'fit says how to get to a resolution: give that as well.');
    return undefined;
  }
  const size = parseSize(resolution);
  if (!size || Math.max(size.width, size.height) > MAX_SIDE || size.width * size.height > MAX_PIXELS) {
    throw bad('resolution', `resolution looks like 1280x720, with up to ${MAX_PIXELS / 1e6} million pixels.`);
  }
  return { ...size, fit: fit ?? 'cover' };
}

function bad(param: string, message: string): AppError {
  return new AppError('invalid_request', { message, param });
}
