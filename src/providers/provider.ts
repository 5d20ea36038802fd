import type { Readable } from 'node:stream';
import type { Json, JsonObject } from '../core/json.ts';
import type { Micros } from '../core/money.ts';
import type { ListPage } from './listed-video.ts';
import type { ModelSpec, Size, SourceKind } from './model.ts';

/** A first-frame image, already checked: its bytes and true type. */
export interface ReferenceImage {
  data: Buffer;
  contentType: 'image/jpeg' | 'image/png' | 'image/webp';
}

/** A finished video at the same provider, that a new one is made from. */
export interface VideoSource {
  kind: SourceKind;
  /** The provider's token for it. */
  operation: Operation;
  /** Its length. */
  seconds: number;
}

/** What a user wants, after defaults and checks against the model. */
export interface VideoRequest {
  prompt: string;
  seconds: number;
  size: Size;
  hasReference: boolean;
  /**
   * The finished video to make it from; only for a model whose `operations` name the kind. `seconds` is then the length
   * to add (extend) or the source's own.
   */
  source?: VideoSource;
  /**
   * Fields that only some upstreams know (`seed`, `negative_prompt`, …), by their name on the wire. An adapter sends
   * those it knows and leaves out the others.
   */
  extra?: JsonObject;
}

/**
 * What will be asked of the upstream: decided when the job is created, stored on the job and on each attempt,
 * and sent as it is. JSON only; no secrets, no image bytes.
 */
export interface Plan {
  upstreamModel: string;
  /** Of the whole file that will come: for an extension, the source and what is added to it. */
  seconds: number;
  size: Size;
  /** Where the request goes: not to create, but to an operation on this video. */
  source?: VideoSource;
  /** The exact request the adapter will send, prompt included, in the adapter's own terms. */
  request: JsonObject;
  /** The expected price, of what is newly made; 0 when free or unknown. */
  quoteMicros: Micros;
}

/** The provider's token for work in flight. Opaque to the core; JSON only; no secrets and no signed URLs. */
export type Operation = Json;

/** Which file of a finished video. */
export type Variant = 'video' | 'thumbnail' | 'spritesheet';

export interface CallContext {
  /** Aborts when the process stops or the caller gave up. */
  signal: AbortSignal;
}

export interface OpenContext extends CallContext {
  /** The `ETag` of the file whose beginning is there already: of any other file the upstream shall give all. */
  ifRange?: string | undefined;
}

export interface WalkContext extends CallContext {
  /** Where a walk that was broken off had got to; undefined: from the beginning. */
  cursor?: string | undefined;
}

/** What one page of a list tells of the operations that were asked about. */
export interface PolledPage {
  /** `index`: which of the operations. */
  results: { index: number; result: PollResult }[];
  /** Where a walk may be taken up again; undefined when it is over. */
  cursor: string | undefined;
  /** With the last page: all of the list has been read, so that it lacks what no page has told of. */
  complete: boolean;
}

export interface SubmitContext extends CallContext {
  /** Unique per attempt and the same each time that attempt is sent. */
  idempotencyKey: string;
  /**
   * Asked right before the first byte may go out; false when the time in which it had to go out is over. A process that
   * was paused may wake up when others have concluded that the call was never made.
   */
  mayStillSend?: () => boolean;
  reference?: ReferenceImage;
}

export interface StopContext extends CallContext {
  /** Awaited right before the upstream is told to stop; not called when there is nothing to stop. */
  beforeStop?: () => Promise<void>;
}

/** What one check of the work in flight says. */
export type PollResult =
  | {
      state: 'queued' | 'running';
      /** 0 to 100, when the upstream says. */
      progress?: number;
      /** When to ask again, in ms, if the upstream says. */
      nextMs?: number;
    }
  | { state: 'done'; costMicros?: Micros; /** What the upstream says it made. */ seconds?: number }
  | ProviderFailure;

/** A definite verdict: this work will never give a video. */
export interface ProviderFailure {
  state: 'failed';
  /** snake_case: `moderation_blocked`, `cancelled`, `expired`, `no_output`, the upstream's own code, … */
  code: string;
  /** Public. */
  message: string;
  /** Whether the same request may succeed another time. */
  retryable: boolean;
  billed: boolean | 'unknown';
}

/** Bytes of one output. */
export interface OutputStream {
  body: Readable;
  contentType: string | undefined;
  /** Bytes of the whole output, if known. */
  totalBytes: number | undefined;
  /** Where `body` starts: the offset asked for, or 0 when the upstream cannot resume. */
  offset: number;
  /** Which file it is, as the upstream names it (`ETag`, `Last-Modified`); undefined where it does not. */
  etag?: string | undefined;
  lastModified?: string | undefined;
}

/**
 * An adapter for one connection. It knows no database, no storage and no environment, holds no state that matters,
 * and makes exactly one attempt per call: retries, schedules and deadlines belong to the core.
 * A method that is absent is a capability that is absent.
 */
export interface Provider {
  /** What it can be asked for. May call the upstream; called at start and now and then. */
  models(context: CallContext): Promise<ModelSpec[]>;
  /** Pure: the exact upstream request for a request that fits the model. */
  plan(request: VideoRequest, model: ModelSpec): Plan;
  /**
   * The paid call. Resolves only when the upstream has accepted; otherwise throws a `ProviderError` whose
   * `kind` says whether the upstream may have taken the work all the same: only after `ambiguous` it may.
   */
  submit(plan: Plan, context: SubmitContext): Promise<Operation>;
  /** One check, no waiting. Throws `ProviderError` when the upstream could not be asked. */
  poll(operation: Operation, context: CallContext): Promise<PollResult>;
  /**
   * Many checks at once, for upstreams that list: one walk through the list, page by page, each told of as soon as it has
   * been read. What no page tells of has to be asked about with `poll`. Quickest when the operations are newest first.
   * Throws `ProviderError` when the list could not be read on; what was told before counts all the same.
   */
  readonly pollMany?:
    ((operations: readonly Operation[], context: WalkContext) => AsyncIterable<PolledPage>) | undefined;
  /**
   * Opens one output of finished work from a byte offset. Throws `ProviderError`: `gone` with code `no_output` when
   * the work is finished but this file does not exist, `gone` with another code when the work itself is unknown.
   * The body errors when the connection breaks off: open again from where it stopped. What comes may be another file than
   * before; the caller compares `etag` and `totalBytes` before it joins anything.
   */
  open(operation: Operation, variant: Variant, offset: number, context: OpenContext): Promise<OutputStream>;
  /**
   * Asks the upstream to stop. Resolves with what came of it; throws `ProviderError`, with kind `rejected` when this
   * upstream will not or cannot stop it.
   */
  cancel?(operation: Operation, context: StopContext): Promise<CancelOutcome>;
  /**
   * Walks the provider's list, newest first, without gaps: it ends where the list ends, and throws `ProviderError` when
   * it cannot go on, `gone` when there is no list. Where the caller has seen enough it stops asking for pages.
   */
  readonly list?: ((context: CallContext) => AsyncIterable<ListPage>) | undefined;
  /** Whether the list is promised to show every video of this account; read at the time of need. */
  readonly listIsComplete?: boolean;
  /**
   * True when sending the same idempotency key again cannot create a second video. Read it at the time of need: an
   * adapter that learns it from its upstream (in `models`) may start with false.
   */
  readonly resubmitIsSafe: boolean;
  /** For how long after its first use a key is known to the upstream, in ms; a day when left out. */
  readonly keyLifetimeMs?: number;
  /** Longest time from the first byte of a paid call to its end here, in ms; half a minute when left out. */
  readonly submitTimeoutMs?: number;
}

/** `cancelled`: stopped, not billed. `cancelled_billed`: stopped, but it costs. `too_late`: it was finished already. */
export type CancelOutcome = 'cancelled' | 'cancelled_billed' | 'too_late';

/**
 * Why a call to the upstream gave no answer to act on.
 * - `not_sent`: this process did not send it: it was held up before the call, or is stopping.
 * - `unavailable`: the upstream surely did not take the request (refused, DNS, TLS, blocked address).
 * - `throttled`: as above, and it asks for patience (429).
 * - `rejected`: it understood and said no (4xx): the same request will be refused again.
 * - `unauthorized`: our credential is not accepted, or the account behind it is empty (401, 402, 403, quota errors).
 * - `gone`: it says in its own terms that it does not know this operation or has no such output (404, 410 with its JSON).
 * - `ambiguous`: it cannot be known (time-out, reset, any 5xx even with Retry-After, 408, 409, 425, an answer that cannot be
 *   read, a gateway's page in place of one).
 */
export type ProviderErrorKind =
  'not_sent' | 'unavailable' | 'throttled' | 'rejected' | 'unauthorized' | 'gone' | 'ambiguous';

export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly kind: ProviderErrorKind;
  /** snake_case, public. */
  readonly code: string;
  /** How long the upstream asks us to wait. */
  readonly retryAfterMs: number | undefined;
  /** The adapter has learned from this refusal how the upstream wants to be asked: another call may be taken. */
  readonly askAgain: boolean;
  /** The upstream's own API gave a reason for this very thing; not a gateway's page, a time-out or "come back later". */
  readonly named: boolean;

  constructor(
    kind: ProviderErrorKind,
    code: string,
    message: string,
    options: {
      retryAfterMs?: number | undefined;
      askAgain?: boolean;
      named?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.askAgain = options.askAgain ?? false;
    this.named = options.named ?? false;
  }
}
