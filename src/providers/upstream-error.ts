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
  const kind = kindOf(answer.status, code, call);
  const said = message === '' ? '' : `: ${publicText(message, options.secrets)}`;
  return new ProviderError(
    kind,
    code ?? `http_${answer.status}`,
    `The upstream answered ${answer.status}${said}`,
    {
      retryAfterMs: retryAfterMs(answer.headers, options.now),
    },
  );
}

/** Refusals that are about our account rather than about the request or the moment. */
const ACCOUNT = /insufficient_(quota|credits|balance|funds)|billing|quota_exceeded|payment/;

function kindOf(status: number, code: string | undefined, call: 'submit' | 'read'): ProviderErrorKind {
  if (status === 401 || status === 403 || status === 402) return 'unauthorized';
  if (status === 429) return ACCOUNT.test(code ?? '') ? 'unauthorized' : 'throttled';
  if (status >= 500 || status === 408 || status === 409 || status === 425) return 'ambiguous';
  if (call === 'read' && (status === 404 || status === 410)) return 'gone';
  if (status >= 400) return 'rejected';
  // A redirect that keeps the method has not taken the request; others may stand for "done, look there".
  return status === 301 || status === 307 || status === 308 ? 'rejected' : 'ambiguous';
}

/** The code and the words of an error answer, in any of the shapes servers use. */
export function upstreamReason(answer: Pick<UpstreamAnswer, 'json' | 'text'>): {
  code: string | undefined;
  message: string;
} {
  const body = asObject(answer.json);
  if (!body)
    return { code: undefined, message: answer.text.startsWith('<') ? '' : answer.text.slice(0, 1000) };
  const error = asObject(body.error);
  const code = publicCode(error?.code) ?? publicCode(body.code) ?? publicCode(error?.type);
  const candidates = [error?.message, body.error, body.message, body.detail, body.msg, body.title];
  const message = candidates.find((value): value is string => typeof value === 'string' && value !== '');
  return { code, message: message ?? validationText(body.detail) };
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
