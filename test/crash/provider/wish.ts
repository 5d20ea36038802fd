import { createHash } from 'node:crypto';

/** What a create asks for, as it arrived. */
export interface Wish {
  prompt: string;
  model: string;
  size: string;
  seconds: string;
  hasPicture: boolean;
  /** Of words, picture, size and seconds. */
  fingerprint: string;
}

/** Reads a JSON or multipart body. */
export async function readWish(body: Buffer, contentType: string): Promise<Wish> {
  const { fields, picture } = contentType.startsWith('multipart/')
    ? await readForm(body, contentType)
    : readJson(body);
  const { prompt = '', model = '', size = '', seconds = '' } = fields;
  const fingerprint = createHash('sha256').update(JSON.stringify([prompt, size, seconds, picture]));
  return {
    prompt,
    model,
    size,
    seconds,
    hasPicture: picture !== '',
    fingerprint: fingerprint.digest('hex').slice(0, 16),
  };
}

interface Parts {
  fields: Record<string, string>;
  /** Its hash; empty without one. */
  picture: string;
}

async function readForm(body: Buffer, contentType: string): Promise<Parts> {
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': contentType },
  }).formData();
  const parts: Parts = { fields: {}, picture: '' };
  for (const [name, value] of form) {
    if (typeof value === 'string') parts.fields[name] = value;
    else parts.picture = hashOf(Buffer.from(await value.arrayBuffer()));
  }
  return parts;
}

function readJson(body: Buffer): Parts {
  const json = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  const { input_reference: reference, ...rest } = json;
  const fields = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
  return { fields, picture: reference === undefined ? '' : hashOf(JSON.stringify(reference)) };
}

function hashOf(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}
