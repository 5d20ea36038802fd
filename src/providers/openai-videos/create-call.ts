import { asObject, type JsonObject } from '../../core/json.ts';
import { FormData } from '../../core/outbound.ts';
import type { Plan, ReferenceImage } from '../provider.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { upstreamReason } from '../upstream-error.ts';
import { MARKER_FIELD, operationId } from './answer.ts';
import type { Dialect } from './dialects.ts';

export type Encoding = 'json' | 'multipart';

/** A paid call. */
export interface CreateCall {
  /** Under `/v1`. */
  path: string;
  headers: Record<string, string>;
  body: string | FormData;
}

/**
 * Encodes the planned request, the image if there is one, and the marker that a server keeps. Throws `gone` for a source of
 * another provider.
 */
export function createCall(
  { request: fields, source }: Pick<Plan, 'request' | 'source'>,
  reference: ReferenceImage | undefined,
  encoding: Encoding,
  dialect: Pick<Dialect, 'jsonReference'>,
  marker?: string,
): CreateCall {
  const path = pathTo(source);
  const marked = marker === undefined ? fields : { ...fields, metadata: { [MARKER_FIELD]: marker } };
  if (encoding === 'multipart') return { path, headers: {}, body: form(marked, reference) };
  const body: JsonObject = { ...marked };
  if (reference) {
    const url = `data:${reference.contentType};base64,${reference.data.toString('base64')}`;
    if (dialect.jsonReference === 'image') body.image = url;
    else body.input_reference = { image_url: url };
  }
  return { path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function pathTo(source: Plan['source']): string {
  if (!source) return '/videos';
  const id = encodeURIComponent(operationId(source.operation));
  return { remix: `/videos/${id}/remix`, edit: '/videos/edits', extend: '/videos/extensions' }[source.kind];
}

function form(fields: JsonObject, reference: ReferenceImage | undefined): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) continue;
    // As the official clients write it; other objects are what servers of their own want as JSON.
    if (name === 'video') form.append('video[id]', String(asObject(value)?.id));
    else form.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  if (reference) {
    const blob = new Blob([new Uint8Array(reference.data)], { type: reference.contentType });
    form.append('input_reference', blob, `reference.${reference.contentType.slice('image/'.length)}`);
  }
  return form;
}

/**
 * The encoding a refusal asks for: the other one, when the server says so clearly. A refusal of this kind is definite
 * (nothing was read, nothing was accepted), which is what makes it safe to send the request once more.
 */
export function encodingAskedFor(answer: UpstreamAnswer, used: Encoding): Encoding | undefined {
  if (answer.status !== 415 && answer.status !== 400 && answer.status !== 422) return undefined;
  const other: Encoding = used === 'json' ? 'multipart' : 'json';
  if (answer.status === 415) return other;
  const said = upstreamReason(answer).message;
  if (used === 'json') {
    // What a form-only FastAPI server says to JSON: it has seen no field at all.
    const sawNothing = missing(answer.json, 'prompt') || /prompt\W.{0,20}field required/i.test(said);
    return sawNothing || /multipart|form[- ]?data/i.test(said) ? other : undefined;
  }
  return /application\/json|(valid|expect\w*|must be|as|invalid) json/i.test(said) ? other : undefined;
}

function missing(json: unknown, field: string): boolean {
  const detail = asObject(json)?.detail;
  if (!Array.isArray(detail)) return false;
  return detail.some((entry: unknown) => {
    const { loc, type } = asObject(entry) ?? {};
    return type === 'missing' && Array.isArray(loc) && (loc.includes(field) || loc.length === 1);
  });
}
