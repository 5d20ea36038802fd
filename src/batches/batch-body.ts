import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import { asObject } from '../core/json.ts';
import { type Form, readForm } from '../http/form.ts';
import type { Server } from '../http/server.ts';
import { refuseUnstorable } from '../jobs/create-body.ts';
import type { BatchDefaults, BatchItem, BatchRequest } from './batch.ts';
import { type BatchEnvelope, EnvelopeSchema } from './batches.schemas.ts';
import { readCsv } from './csv-input.ts';
import { readJsonl } from './jsonl-input.ts';
import { schemaCheck } from './schema-check.ts';

/** Formats of a file of videos, by what a client may call them. */
export const FILE_TYPES = {
  'text/csv': 'csv',
  'application/jsonl': 'jsonl',
  'application/x-ndjson': 'jsonl',
} as const;

type Format = (typeof FILE_TYPES)[keyof typeof FILE_TYPES];

export interface BatchBodyOptions {
  maxVideos: number;
  bodyLimitBytes: number;
}

/**
 * Before validation: puts a `BatchRequest` in place of the body, whatever format it came in. Throws for what is wrong
 * with the request as a whole; the videos are judged later, one by one.
 */
export function createBatchReader(server: Server, options: BatchBodyOptions) {
  const check = schemaCheck<BatchEnvelope>(server, EnvelopeSchema);
  // One more than allowed tells that there are too many.
  const limit = options.maxVideos + 1;

  return async (request: FastifyRequest): Promise<void> => {
    request.body = await read(request);
  };

  async function read(request: FastifyRequest): Promise<BatchRequest> {
    if (request.isMultipart())
      return readUpload(await readForm(request, { fileSize: options.bodyLimitBytes }));
    if (Buffer.isBuffer(request.body)) {
      return { items: await readFile(request.body, formatOf(request.headers['content-type']), {}) };
    }
    const body = asObject(request.body);
    if (!body)
      throw new AppError('invalid_request', { message: 'The body must be a JSON object or a file.' });
    const { videos, ...envelope } = checked(body);
    return { ...envelope, items: videos.slice(0, limit).map((value) => ({ value })) };
  }

  async function readUpload({ fields, files, fileFacts }: Form): Promise<BatchRequest> {
    const { file, ...others } = files;
    const [other] = Object.keys(others);
    if (other !== undefined) {
      throw new AppError('unknown_field', { message: `There is no file field ${other}.`, param: other });
    }
    if (!file) throw invalid('Send the videos as a file in the field `file`.', 'file');
    if ('videos' in fields) {
      throw new AppError('unknown_field', { message: 'The videos come as a file.', param: 'videos' });
    }
    const { defaults } = fields;
    const given = typeof defaults === 'string' ? { ...fields, defaults: parseDefaults(defaults) } : fields;
    const { videos: _none, ...envelope } = checked({ ...given, videos: [] });
    const facts = fileFacts['file'];
    const format = formatOf(facts?.contentType) ?? formatOfName(facts?.filename ?? '');
    return { ...envelope, items: await readFile(file, format, envelope.defaults ?? {}) };
  }

  async function readFile(
    data: Buffer,
    format: Format | undefined,
    defaults: BatchDefaults,
  ): Promise<BatchItem[]> {
    if (!format) {
      throw invalid('The file must be CSV or JSONL: name it .csv or .jsonl, or send its type.', 'file');
    }
    if (!isUtf8(data)) throw invalid('The file is not UTF-8 text: save it as UTF-8.', 'file');
    if (format === 'csv') return readCsv(data, limit, defaults.prompt === undefined ? ['prompt'] : []);
    return readJsonl(new TextDecoder().decode(data), limit);
  }

  function checked(body: Record<string, unknown>): BatchEnvelope {
    const { videos: _judgedLater, ...envelope } = body;
    refuseUnstorable(envelope, []);
    if (!check.passes(body)) throw check.asRefusal();
    return body;
  }
}

function parseDefaults(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('defaults must be a JSON object.', 'defaults');
  }
}

function formatOf(contentType: string | undefined): Format | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return (FILE_TYPES as Record<string, Format>)[type];
}

function formatOfName(name: string): Format | undefined {
  if (/\.csv$/i.test(name)) return 'csv';
  return /\.(jsonl|ndjson)$/i.test(name) ? 'jsonl' : undefined;
}

function invalid(message: string, param: string): AppError {
  return new AppError('invalid_request', { message, param });
}
