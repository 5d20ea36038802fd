import { type ModelSpec, sizeText, SOURCE_KINDS } from '../model.ts';
import { SORA_2, SORA_2_PRO } from '../sora.ts';
import { SIMULATOR_MODEL } from './simulator.ts';
import type { StoredVideo } from './ledger.ts';
import type { VideoState } from './timeline.ts';

/**
 * How the server behaves on the wire. `default` is the whole of the Videos API plus our extensions; the others leave
 * out or change what real servers leave out or change, so that clients can be tried against each.
 */
export interface WireDialect {
  /** Says on `/v1/models` what each model can do. */
  advertises: boolean;
  /** The same `Idempotency-Key` gives the same video; otherwise the header is ignored. */
  idempotency: boolean;
  /** Refuses JSON on create, the way a form-only server does. */
  multipartOnly: boolean;
  /** Refuses a number where the API says a string. */
  strictSeconds: boolean;
  /** Lists answer `{object, data}` and nothing about pages. */
  bareList: boolean;
  /** Progress is 0 or 100. */
  coarseProgress: boolean;
  /** Has remix, edits and extensions. */
  operations: boolean;
}

const DEFAULT: WireDialect = {
  advertises: true,
  idempotency: true,
  multipartOnly: false,
  strictSeconds: false,
  bareList: false,
  coarseProgress: false,
  operations: true,
};

const BARE = { ...DEFAULT, advertises: false, idempotency: false, operations: false };

export const WIRE_DIALECTS = {
  default: DEFAULT,
  openai: { ...BARE, strictSeconds: true, operations: true },
  'vllm-omni': { ...BARE, multipartOnly: true },
  sglang: { ...BARE, bareList: true, coarseProgress: true },
} as const satisfies Record<string, WireDialect>;

export type WireDialectName = keyof typeof WIRE_DIALECTS;

/** What the server can be asked for: its own model, and the two that old programs name. All of them are free. */
export const SERVER_MODELS: readonly ModelSpec[] = [SIMULATOR_MODEL, standIn(SORA_2), standIn(SORA_2_PRO)];

function standIn(model: ModelSpec): ModelSpec {
  const free = { pricePerSecondMicros: 0, pricePerSecondBySize: {} };
  return { ...model, ...free, description: `Stands in for ${model.id}.` };
}

/** An entry of `GET /v1/models`, with what the model can do under `sora_studio` when the dialect advertises. */
export function modelObject(model: ModelSpec, dialect: WireDialect) {
  const base = { id: model.id, object: 'model', created: 1_759_708_800, owned_by: 'sora-studio-simulator' };
  if (!dialect.advertises) return base;
  const sizes =
    'min' in model.sizes
      ? { min: sizeText(model.sizes.min), max: sizeText(model.sizes.max) }
      : model.sizes.map(sizeText);
  return {
    ...base,
    sora_studio: {
      kind: 'video',
      description: model.description,
      seconds: model.seconds,
      default_seconds: model.defaultSeconds,
      sizes,
      default_size: sizeText(model.defaultSize),
      input_reference: model.inputReference,
      price_per_second_usd: 0,
      idempotency_key: dialect.idempotency,
      ...(dialect.idempotency ? { idempotency_seconds: 86_400 } : {}),
      list: 'complete',
      delete_stops: true,
      ...(dialect.operations ? { operations: SOURCE_KINDS } : {}),
    },
  };
}

/** A video as the wire shows it at one moment. */
export function videoObject(
  { video, model, source }: Pick<StoredVideo, 'video' | 'model' | 'source'>,
  state: VideoState,
  dialect: WireDialect,
): Record<string, unknown> {
  const seconds = (ms: number) => Math.floor(ms / 1000);
  const status = { queued: 'queued', running: 'in_progress', done: 'completed', failed: 'failed' }[
    state.phase
  ];
  const odd = state.phase === 'running' && video.faults.includes('unknown-status');
  const coarse = dialect.coarseProgress && state.phase !== 'done';
  return {
    id: video.id,
    object: 'video',
    model,
    status: odd ? 'warming_up' : status,
    progress: coarse ? 0 : state.progress,
    prompt: video.prompt,
    created_at: seconds(video.acceptedAt),
    completed_at: state.phase === 'done' ? seconds(state.endsAt) : null,
    expires_at: null,
    size: `${video.width}x${video.height}`,
    seconds: String(video.seconds),
    remixed_from_video_id: source?.id ?? null,
    error: state.failure ? { code: state.failure.code, message: state.failure.message } : null,
  };
}

/** An answer that is not a success. Routes throw it; the server turns it into OpenAI's envelope. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;

  constructor(status: number, code: string | null, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  toJSON() {
    const { message, param, code } = this;
    const type =
      this.status >= 500
        ? 'server_error'
        : this.status === 429
          ? 'rate_limit_error'
          : 'invalid_request_error';
    return { error: { message, type, param, code } };
  }
}
