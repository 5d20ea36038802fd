import { asObject } from '../../core/json.ts';
import { type Operation, type PollResult, ProviderError, type ProviderFailure } from '../provider.ts';
import { publicCode, publicText } from '../redact.ts';

/** A video as some server showed it, in one shape; undefined where it said nothing we understand. */
export interface VideoAnswer {
  id: string | undefined;
  /** The server's own word, lower case. */
  status: string;
  progress: number | undefined;
  prompt: string | undefined;
  model: string | undefined;
  size: string | undefined;
  seconds: number | undefined;
  /** The id of the video it was made from. */
  remixedFrom: string | undefined;
  /** ms since the epoch. */
  createdAt: number | undefined;
  /** The idempotency key that it was created with, where the server keeps it. */
  marker: string | undefined;
  /** Where the file is, when not under `/content`. Untrusted; may be relative. */
  url: string | undefined;
  error: { code: string | undefined; message: string } | undefined;
}

/** The name in a video's `metadata` under which our key is sent, and read, where a server keeps metadata. */
export const MARKER_FIELD = 'sora_attempt';

export type State = 'queued' | 'running' | 'done' | 'failed';

/** Every word that has been seen for a state. A word that is not here means: still running. */
export const STATUS_WORDS: Readonly<Record<string, State>> = {
  queued: 'queued',
  in_queue: 'queued',
  in_progress: 'running',
  processing: 'running',
  pending: 'running',
  running: 'running',
  submitted: 'running',
  unknown: 'running',
  completed: 'done',
  complete: 'done',
  succeeded: 'done',
  success: 'done',
  done: 'done',
  failed: 'failed',
  failure: 'failed',
  error: 'failed',
  cancelled: 'failed',
  canceled: 'failed',
  expired: 'failed',
  deleted: 'failed',
};

/** End states that are their own reason. */
const CODE_OF: Readonly<Record<string, string>> = {
  cancelled: 'cancelled',
  canceled: 'cancelled',
  expired: 'expired',
  deleted: 'deleted',
};

const MODERATION = /moderat|content_?policy|safety|nsfw|prohibited|sensitive|content_?filter|rai_/;
/** What may go well another time; `error_500` and its like are a number where others have a word. */
const PASSING =
  /server_error|internal|time_?out|overload|unavailable|capacity|rate_limit|busy|out_of_memory|^error_5\d\d$/;

/** Reads one video object; undefined when the JSON is no object. A wrapping `data` object is looked through. */
export function readAnswer(json: unknown): VideoAnswer | undefined {
  const outer = asObject(json);
  if (!outer) return undefined;
  const inner = asObject(outer.data);
  const body = inner && idOf(outer) === undefined && idOf(inner) !== undefined ? inner : outer;
  const metadata = asObject(body.metadata);
  const urls = [body.url, body.video_url, metadata?.url, asObject(body.data)?.url, firstUrl(body.data)];
  return {
    id: idOf(body),
    status: textOf(body.status)?.trim().toLowerCase().replaceAll('-', '_') ?? '',
    progress: percentOf(body.progress),
    prompt: textOf(body.prompt),
    model: textOf(body.model),
    size: textOf(body.size),
    seconds: positive(body.seconds) ?? positive(asObject(body.usage)?.duration_seconds),
    remixedFrom: textOf(body.remixed_from_video_id),
    createdAt: timeOf(body.created_at ?? body.created),
    marker: textOf(metadata?.[MARKER_FIELD]),
    url: urls.map(textOf).find((url) => url !== undefined),
    error: errorOf(body.error),
  };
}

/** Where a video stands; a word that is not known means: still running. */
export function stateOf(answer: Pick<VideoAnswer, 'status'>): State {
  return STATUS_WORDS[answer.status] ?? 'running';
}

/** What an answer means for the job. `billsFailures` and `secrets` come from the connection. */
export function pollResultOf(
  answer: VideoAnswer,
  options: { billsFailures: false | 'unknown'; secrets: readonly string[]; nextMs?: number | undefined },
): PollResult {
  const state = stateOf(answer);
  if (state === 'failed') return failureOf(answer, options.billsFailures, options.secrets);
  if (state === 'done') {
    // Some resellers say "completed" for what was blocked, give no file, and charge for it.
    if (isModerated(answer.error)) return failureOf(answer, 'unknown', options.secrets);
    return answer.seconds === undefined ? { state } : { state, seconds: answer.seconds };
  }
  const known = answer.progress === undefined ? {} : { progress: Math.min(99, answer.progress) };
  return { state, ...known, ...(options.nextMs === undefined ? {} : { nextMs: options.nextMs }) };
}

function failureOf(
  { error, status }: VideoAnswer,
  billed: false | 'unknown',
  secrets: readonly string[],
): ProviderFailure {
  const moderated = isModerated(error);
  const code = moderated ? 'moderation_blocked' : (CODE_OF[status] ?? error?.code ?? 'provider_failed');
  const said = publicText(error?.message ?? '', secrets);
  const message = said === '' ? `The provider ended the video with status "${publicText(status)}".` : said;
  return { state: 'failed', code, message, retryable: !moderated && PASSING.test(code), billed };
}

function isModerated(error: VideoAnswer['error']): boolean {
  return MODERATION.test(error?.code ?? '');
}

function idOf(body: Record<string, unknown>): string | undefined {
  const id = [body.id, body.video_id, body.task_id].find(
    (each) => each !== undefined && each !== null && each !== '',
  );
  return typeof id === 'string' ? id : typeof id === 'number' ? String(id) : undefined;
}

/** `error` may be an object, a text, or null; its code may be a number. */
function errorOf(error: unknown): VideoAnswer['error'] {
  if (typeof error === 'string' && error !== '') return { code: publicCode(codeLike(error)), message: error };
  const body = asObject(error);
  if (!body || Object.keys(body).length === 0) return undefined;
  const { code, type } = body;
  const word = publicCode(code) ?? publicCode(type);
  const numbered = typeof code === 'number' || typeof code === 'string' ? `error_${code}` : undefined;
  return { code: word ?? publicCode(numbered), message: textOf(body.message) ?? '' };
}

function codeLike(text: string): string | undefined {
  return /^[a-z0-9]+(_[a-z0-9]+)+$/i.test(text) ? text : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function firstUrl(data: unknown): unknown {
  return Array.isArray(data) ? asObject(data[0])?.url : undefined;
}

function positive(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? number : undefined;
}

/** A percentage, also of `"45%"`. */
function percentOf(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  return Math.max(0, Math.min(100, Math.round(number)));
}

/** Seconds, milliseconds or a date. */
function timeOf(value: unknown): number | undefined {
  if (typeof value === 'string' && !/^\d+(\.\d+)?$/.test(value)) {
    const date = Date.parse(value);
    return Number.isNaN(date) ? undefined : date;
  }
  const number = positive(value);
  if (number === undefined) return undefined;
  return number > 100_000_000_000 ? number : number * 1000;
}

/** The upstream's id inside an operation of this adapter. Throws `gone` for anything else. */
export function operationId(operation: Operation): string {
  const id = asObject(operation)?.id;
  if (typeof id === 'string' && id !== '') return id;
  throw new ProviderError('gone', 'unknown_operation', 'This is no video of this provider.');
}
