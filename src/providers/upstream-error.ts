import { asObject } from '../core/json.ts';
import { ProviderError, type ProviderErrorKind } from './provider.ts';
import { publicCode, publicText } from './redact.ts';
import type { UpstreamAnswer } from './upstream.ts';

/**
 * What an answer that is not a success means. `submit`: the paid call, where only a clear no counts as one;
 * `read`: a call that may be repeated at will. `secrets` never appear in the message.
 */
export function answerError(
  answer: UpstreamAnswer,
  call: 'submit' | 'read',
  options: { now: number; secrets?: readonly string[] },
): ProviderError {
  const { code, message } = upstreamReason(answer);
  const isOwn = asObject(answer.json) !== undefined && (code !== undefined || message !== '');
  const isPage = answer.text.trimStart().startsWith('<');
  const kind =
    call === 'submit' && isPage && NO_ROUTE.has(answer.status)
      ? 'unavailable'
      : kindOf(answer.status, code, call, isOwn);
  const said = message === '' ? '' : `: ${publicText(message, options.secrets)}`;
  return new ProviderError(
    kind,
    code ?? `http_${answer.status}`,
    `The upstream answered ${answer.status}${said}`,
    {
      retryAfterMs: retryAfterMs(answer.headers, options.now),
      named: isOwn && !PASSING.has(answer.status),
    },
  );
}

/** A gateway's page with one of these: it has no such route just now. Nothing was taken, and it may have one later. */
const NO_ROUTE = new Set([404, 405, 421]);

/** Statuses that are about the moment, whatever words come with them. */
const PASSING = new Set([401, 402, 403, 408, 409, 425, 429, 502, 503, 504]);

/** Refusals that are about our account or key rather than about the request or the moment. */
const ACCOUNT =
  /insufficient_(quota|credits|balance|funds)|billing|quota_exceeded|payment|^no_db_connection$/;

/** `isOwn`: the answer is the API's, with a reason in JSON; anything else may be a gateway's, which knows nothing. */
function kindOf(
  status: number,
  code: string | undefined,
  call: 'submit' | 'read',
  isOwn: boolean,
): ProviderErrorKind {
  if (status === 401 || status === 403 || status === 402) return 'unauthorized';
  if (status === 429) return ACCOUNT.test(code ?? '') ? 'unauthorized' : 'throttled';
  if (status >= 500 || status === 408 || status === 409 || status === 425) return 'ambiguous';
  if (status >= 400 && code === 'no_db_connection') return 'unauthorized';
  if (status >= 400 && call === 'read') {
    if (!isOwn) return 'ambiguous';
    return status === 404 || status === 410 ? 'gone' : 'rejected';
  }
  if (status >= 400) return 'rejected';
  // A redirect that keeps the method has not taken the request; others may stand for "done, look there".
  return status === 301 || status === 307 || status === 308 ? 'rejected' : 'ambiguous';
}

/** The code and the words of an error answer, in any of the shapes servers use. */
export function upstreamReason(answer: Pick<UpstreamAnswer, 'json' | 'text'>): Reason {
  const body = asObject(answer.json);
  if (!body)
    return { code: undefined, message: answer.text.startsWith('<') ? '' : answer.text.slice(0, 1000) };
  const error = asObject(body.error);
  const code = publicCode(error?.code) ?? publicCode(body.code) ?? publicCode(error?.type);
  const candidates = [error?.message, body.error, body.message, body.detail, body.msg, body.title];
  const found = candidates.find((value): value is string => typeof value === 'string' && value !== '');
  const message = found ?? validationText(body.detail);
  return unwrapped(message, code) ?? { code, message };
}

interface Reason {
  code: string | undefined;
  message: string;
}

/**
 * What LiteLLM passes on stands within its own words: `litellm.BadRequestError: OpenAIException - {json}`, followed by
 * remarks about its routing. Undefined for other messages.
 */
function unwrapped(message: string, code: string | undefined): Reason | undefined {
  const prefix = /^(?:litellm\.)\w+: (?:\w+: )?(?:\w+ - )?/.exec(message)?.[0];
  if (prefix === undefined) return undefined;
  const rest = message
    .slice(prefix.length)
    .replace(/\n*\s*(?:LiteLLM: |Received Model Group=)[^]*$/, '')
    .trim();
  const inner = asObject(parsed(rest.slice(rest.indexOf('{'), rest.lastIndexOf('}') + 1)));
  if (!inner) return { code, message: rest };
  const reason = upstreamReason({ json: inner, text: '' });
  return reason.message === ''
    ? { code: reason.code ?? code, message: rest }
    : { ...reason, code: reason.code ?? code };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** FastAPI's list of what is wrong: `[{loc: ['body', 'prompt'], msg: 'Field required'}]`. */
function validationText(detail: unknown): string {
  if (!Array.isArray(detail)) return '';
  const lines = detail.map((entry: unknown) => {
    const { loc, msg } = asObject(entry) ?? {};
    return `${Array.isArray(loc) ? loc.join('.') : ''}: ${typeof msg === 'string' ? msg : ''}`;
  });
  return lines.join('; ');
}

/** `Retry-After-Ms` and `Retry-After` (seconds or a date) in ms, at most an hour. */
export function retryAfterMs(headers: UpstreamAnswer['headers'], now: number): number | undefined {
  const inMs = Number(headers['retry-after-ms'] ?? Number.NaN);
  const text = String(headers['retry-after'] ?? '');
  const seconds = text === '' ? Number.NaN : Number(text);
  const waits = [inMs, seconds * 1000, Date.parse(text) - now];
  const wait = waits.find((each) => Number.isFinite(each) && each >= 0);
  return wait === undefined ? undefined : Math.min(Math.round(wait), 3_600_000);
}
