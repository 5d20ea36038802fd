import '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';

/** What came as multipart/form-data, in the shape that JSON has. */
export interface Form {
  fields: Record<string, unknown>;
  /** Uploaded files by field. */
  files: Record<string, Buffer>;
  /** What the client says about them, by field. */
  fileFacts: Record<string, { filename: string; contentType: string }>;
}

export interface FormOptions {
  /** Largest file, in bytes, where it is not the server's usual. */
  fileSize?: number;
  /** Told of every file before it is read: throws for those that are not wanted. */
  onFile?: ((field: string) => void) | undefined;
}

/**
 * Reads a multipart body. `a[b]` becomes `{a: {b}}`, a repeated field an array of texts. Throws `invalid_multipart`,
 * `payload_too_large`, and what `onFile` throws of a file before it is read.
 */
export async function readForm(
  request: FastifyRequest,
  { onFile, ...limits }: FormOptions = {},
): Promise<Form> {
  const form: Form = { fields: {}, files: {}, fileFacts: {} };
  try {
    for await (const part of request.parts({ limits })) {
      if (part.type === 'file') {
        onFile?.(part.fieldname);
        form.files[part.fieldname] = await part.toBuffer();
        form.fileFacts[part.fieldname] = { filename: part.filename, contentType: part.mimetype };
      } else setField(form.fields, part.fieldname, part.value);
    }
  } catch (error) {
    // What is still on its way is let through unread: a connection that nobody reads from would never end.
    request.raw.unpipe();
    request.raw.resume();
    throw isKnown(error) ? error : new AppError('invalid_multipart', { cause: error });
  }
  return form;
}

function isKnown(error: unknown): boolean {
  return error instanceof AppError || String((error as { code?: unknown }).code).startsWith('FST_');
}

function setField(fields: Record<string, unknown>, name: string, value: unknown): void {
  const match = /^([^[\]]+)(?:\[([^[\]]*)\])?$/.exec(name);
  const [, outer, inner] = match ?? [];
  if (outer === undefined || outer === '__proto__' || inner === '__proto__') {
    throw new AppError('invalid_multipart', {
      message: `The field name ${JSON.stringify(name)} cannot be read.`,
    });
  }
  const former = Object.hasOwn(fields, outer) ? fields[outer] : undefined;
  if (inner === undefined) fields[outer] = former === undefined ? value : [former, value].flat();
  else if (inner === '') fields[outer] = [former ?? [], value].flat();
  else fields[outer] = { ...(former as object | undefined), [inner]: value };
}
