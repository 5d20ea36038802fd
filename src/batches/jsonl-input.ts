import { asObject } from '../core/json.ts';
import type { BatchItem, ItemProblem } from './batch.ts';

/** Addresses that a line in OpenAI's batch format may name. */
const URLS = ['/v1/videos', '/api/v1/videos'];

/**
 * A video per line: as in `POST /api/v1/videos`, or in OpenAI's batch format (`{custom_id, method, url, body}`). Blank
 * lines are skipped; reading ends after `limit` videos.
 */
export function readJsonl(text: string, limit: number): BatchItem[] {
  const items: BatchItem[] = [];
  const customIds = new Set<string>();
  let line = 0;
  for (let start = 0; start < text.length && items.length < limit;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const content = text.slice(start, end).trim();
    line += 1;
    start = end + 1;
    if (content !== '') items.push({ ...readLine(content, customIds), line });
  }
  return items;
}

function readLine(content: string, customIds: Set<string>): BatchItem {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return bad({ code: 'invalid_json', message: 'The line is not valid JSON.' });
  }
  const wrapped = asObject(value);
  if (!wrapped || !('body' in wrapped) || 'prompt' in wrapped) return { value };
  return unwrap(wrapped, customIds);
}

/** A line in OpenAI's batch format, as the video it asks for. */
function unwrap(wrapped: Record<string, unknown>, customIds: Set<string>): BatchItem {
  const { custom_id: customId, method = 'POST', url = URLS[0], body, ...unknown } = wrapped;
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) {
    const message = `There is no such field in a line of a batch: ${JSON.stringify(extra)}.`;
    return bad({ code: 'unknown_field', message, field: extra });
  }
  if (method !== 'POST') return bad(invalid('method', 'method must be POST.'));
  if (!URLS.includes(url as string)) return bad(invalid('url', `url must be ${URLS.join(' or ')}.`));
  const video = asObject(body);
  if (!video) return bad(invalid('body', 'body must be an object.'));
  const value = inNativeWords(video);
  if (customId === undefined) return { value };
  if (typeof customId !== 'string') return bad(invalid('custom_id', 'custom_id must be a text.'));
  if (customIds.has(customId)) return bad(invalid('custom_id', 'This custom_id was used by a line before.'));
  customIds.add(customId);
  return { value, customId };
}

/** The fields of OpenAI's create request by their names here; all others stay and are judged as they are. */
function inNativeWords({ seconds, size, input_reference: picture, ...rest }: Record<string, unknown>) {
  const { image_url: address, file_id: assetId } = asObject(picture) ?? {};
  const reference = address ?? assetId ?? picture;
  const isNumber = typeof seconds === 'string' && /^\d+$/.test(seconds);
  return {
    ...rest,
    ...(seconds === undefined ? {} : { duration: isNumber ? Number(seconds) : seconds }),
    ...(size === undefined ? {} : { resolution: size }),
    ...(reference === undefined ? {} : { inputReference: reference }),
  };
}

function invalid(field: string, message: string): ItemProblem {
  return { code: 'invalid_request', message, field };
}

function bad(problem: ItemProblem): BatchItem {
  return { value: undefined, problem };
}
