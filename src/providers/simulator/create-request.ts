import type { FastifyRequest } from 'fastify';
import { asObject } from '../../core/json.ts';
import { sha256 } from '../../core/ids.ts';
import {
  type ModelSpec,
  parseSize,
  type Size,
  sizeText,
  type SourceKind,
  supportsSeconds,
  supportsSize,
} from '../model.ts';
import { SERVER_MODELS, WireError, type WireDialect } from './wire.ts';

/** A create call that is in order. */
export interface CreateRequest {
  prompt: string;
  model: ModelSpec;
  seconds: number;
  size: Size;
  /** SHA-256 of the reference image's bytes or address, when there is one. */
  reference?: string;
  /** The video it is made from. */
  source?: { kind: SourceKind; id: string };
}

const MAX_FILE_BYTES = 20 * 1024 * 1024;

/** Reads a create call in either encoding and checks it the way OpenAI did. Throws a `WireError`. */
export async function readCreate(request: FastifyRequest, dialect: WireDialect): Promise<CreateRequest> {
  if (dialect.multipartOnly && !request.isMultipart()) {
    throw new WireError(422, null, 'body.prompt: Field required (send multipart/form-data)', 'prompt');
  }
  return check(await readFields(request), dialect);
}

/** The fields of either encoding. */
export async function readFields(request: FastifyRequest): Promise<Fields> {
  const fields = request.isMultipart() ? await readForm(request) : asObject(request.body);
  if (fields) return fields;
  throw new WireError(400, 'invalid_json', 'The body must be a JSON object or a form.');
}

type Fields = Record<string, unknown>;

async function readForm(request: FastifyRequest): Promise<Fields> {
  const fields: Fields = {};
  for await (const part of request.parts({ limits: { fileSize: MAX_FILE_BYTES, files: 2 } })) {
    if (part.type === 'file') fields[part.fieldname] = await part.toBuffer();
    else {
      // The official clients write objects as `input_reference[image_url]`.
      const inner = /^(\w+)\[(\w+)\]$/.exec(part.fieldname);
      const [, outer = part.fieldname, key] = inner ?? [];
      fields[outer] = key === undefined ? part.value : { ...asObject(fields[outer]), [key]: part.value };
    }
  }
  return fields;
}

function check(fields: Fields, dialect: WireDialect): CreateRequest {
  const { model: modelName = 'sora-2', seconds, size } = fields;
  const prompt = checkPrompt(fields.prompt);
  const model = SERVER_MODELS.find(({ id }) => id === modelName);
  if (!model) {
    const known = SERVER_MODELS.map(({ id }) => id).join(', ');
    throw new WireError(
      400,
      'model_not_found',
      `There is no model ${show(modelName)}; known: ${known}.`,
      'model',
    );
  }
  const reference = checkReference(fields.input_reference);
  return {
    prompt,
    model,
    seconds: checkSeconds(seconds, model, dialect),
    size: checkSize(size, model),
    ...(reference === undefined ? {} : { reference }),
  };
}

export function checkPrompt(prompt: unknown): string {
  if (typeof prompt === 'string' && prompt !== '' && prompt.length <= 32_000) return prompt;
  throw new WireError(400, 'invalid_value', 'prompt must be a text of 1 to 32000 characters.', 'prompt');
}

export function checkSeconds(value: unknown, model: ModelSpec, dialect: WireDialect): number {
  if (value === undefined || value === null) return model.defaultSeconds;
  const typed =
    typeof value === 'string' ? /^\d{1,3}$/.test(value) : typeof value === 'number' && !dialect.strictSeconds;
  const seconds = Number(value);
  if (typed && supportsSeconds(model, seconds)) return seconds;
  const allowed =
    'min' in model.seconds
      ? `a whole number from '${model.seconds.min}' to '${model.seconds.max}'`
      : `one of ${model.seconds.map((each) => `'${each}'`).join(', ')}`;
  throw new WireError(
    400,
    'invalid_value',
    `Invalid value: ${show(value)}. seconds must be ${allowed}.`,
    'seconds',
  );
}

function checkSize(value: unknown, model: ModelSpec): Size {
  if (value === undefined || value === null) return model.defaultSize;
  const size = typeof value === 'string' ? parseSize(value) : undefined;
  if (size && supportsSize(model, size)) return size;
  const allowed =
    'min' in model.sizes
      ? `even numbers from ${sizeText(model.sizes.min)} to ${sizeText(model.sizes.max)}`
      : `one of ${model.sizes.map((each) => `'${sizeText(each)}'`).join(', ')}`;
  throw new WireError(
    400,
    'invalid_value',
    `Invalid value: ${show(value)}. size must be ${allowed}.`,
    'size',
  );
}

function checkReference(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Buffer.isBuffer(value)) {
    if (isImage(value)) return sha256(value);
    throw new WireError(
      400,
      'invalid_image',
      'input_reference must be a JPEG, PNG or WebP image.',
      'input_reference',
    );
  }
  const { image_url: url, file_id: file } = asObject(value) ?? {};
  if (typeof url === 'string' && file === undefined) return sha256(url);
  throw new WireError(
    400,
    'invalid_value',
    'input_reference takes a file or {image_url}.',
    'input_reference',
  );
}

function isImage(data: Buffer): boolean {
  const starts = data.toString('latin1', 0, 12);
  return /^\xff\xd8\xff|^\x89PNG|^RIFF....WEBP/s.test(starts);
}

function show(value: unknown): string {
  return `'${String(value).slice(0, 60)}'`;
}
