import { asObject } from '../../core/json.ts';
import { usdToMicros } from '../../core/money.ts';
import { type ModelSpec, parseSize, type Size, sourceKindsOf } from '../model.ts';
import { modelNamed, withFittingDefaults } from './models.ts';

/** What a server promises about itself under `sora_studio` in its `/v1/models`. */
export interface Promises {
  idempotent: boolean;
  listComplete: boolean;
  deleteStops: boolean;
  /** It keeps what is sent as `metadata` and shows it again. */
  keepsMetadata: boolean;
  /** For how long it knows an idempotency key, in ms. */
  keyLifetimeMs: number;
}

/** What Sora Studio servers keep to that do not say it. */
const KEY_LIFETIME_MS = 24 * 60 * 60_000;

export interface LearnedModels {
  models: ModelSpec[];
  /** Undefined when the server promises nothing. */
  promises: Promises | undefined;
}

/** Families that are known to make videos, and names that say so. */
const VIDEO_ID =
  /(^|\/)(sora|veo|wan[-_.]?\d|kling|hailuo|seedance|ltx|hunyuan-?video|cogvideo|mochi|vidu|grok-imagine-video)|(text|image|t|i)-?(to|2)-?v(ideo)?\b|video/i;
const NOT_VIDEO = /embed|caption|understand|llava|chat|instruct|whisper|-vl\b|audio|transcri/i;

/** Reads `/v1/models`: the entries that say they make videos, or whose names do (`all`: every entry). */
export function readModels(json: unknown, all: boolean): LearnedModels {
  const data = asObject(json)?.data;
  const entries = Array.isArray(data) ? data.map(asObject).filter((entry) => entry !== undefined) : [];
  const models: ModelSpec[] = [];
  const promises: Promises[] = [];
  for (const entry of entries) {
    const { id } = entry;
    if (typeof id !== 'string' || id === '') continue;
    const said = asObject(entry.sora_studio);
    if (said) {
      if (said.kind !== undefined && said.kind !== 'video') continue;
      promises.push(promisesOf(said));
      models.push(advertisedModel(id, said));
    } else if (all || (VIDEO_ID.test(id) && !NOT_VIDEO.test(id))) models.push(modelNamed(id));
  }
  const every = (which: Exclude<keyof Promises, 'keyLifetimeMs'>) => promises.every((each) => each[which]);
  return {
    models: models.filter((model, at) => models.findIndex(({ id }) => id === model.id) === at),
    promises:
      promises.length === 0
        ? undefined
        : {
            idempotent: every('idempotent'),
            listComplete: every('listComplete'),
            deleteStops: every('deleteStops'),
            keepsMetadata: every('keepsMetadata'),
            keyLifetimeMs: Math.min(...promises.map(({ keyLifetimeMs }) => keyLifetimeMs)),
          },
  };
}

function promisesOf(said: Record<string, unknown>): Promises {
  return {
    idempotent: said.idempotency_key === true,
    listComplete: said.list === 'complete',
    deleteStops: said.delete_stops === true,
    keepsMetadata: said.metadata === true,
    keyLifetimeMs: lifetimeMs(said.idempotency_seconds),
  };
}

function lifetimeMs(seconds: unknown): number {
  return typeof seconds === 'number' && seconds >= 0 ? seconds * 1000 : KEY_LIFETIME_MS;
}

function advertisedModel(id: string, said: Record<string, unknown>): ModelSpec {
  const { pricePerSecondBySize: _known, pricePerSecondMicros: _price, ...base } = modelNamed(id);
  const price = said.price_per_second_usd;
  const operations = sourceKindsOf(said.operations);
  return withFittingDefaults({
    ...base,
    description: typeof said.description === 'string' ? said.description.slice(0, 300) : base.description,
    seconds: secondsOf(said.seconds) ?? base.seconds,
    defaultSeconds: typeof said.default_seconds === 'number' ? said.default_seconds : base.defaultSeconds,
    sizes: sizesOf(said.sizes) ?? base.sizes,
    defaultSize: sizeOf(said.default_size) ?? base.defaultSize,
    inputReference: said.input_reference !== false,
    ...(operations ? { operations } : {}),
    ...(typeof price === 'number' && price >= 0 ? { pricePerSecondMicros: usdToMicros(price) } : {}),
  });
}

function secondsOf(value: unknown): ModelSpec['seconds'] | undefined {
  const whole = (each: unknown): each is number => Number.isInteger(each) && Number(each) > 0;
  if (Array.isArray(value)) {
    const list = value.filter(whole);
    return list.length > 0 ? list.sort((a, b) => a - b) : undefined;
  }
  const { min, max } = asObject(value) ?? {};
  return whole(min) && whole(max) && min <= max ? { min, max } : undefined;
}

function sizesOf(value: unknown): ModelSpec['sizes'] | undefined {
  if (Array.isArray(value)) {
    const list = value.map(sizeOf).filter((size) => size !== undefined);
    return list.length > 0 ? list : undefined;
  }
  const [min, max] = [sizeOf(asObject(value)?.min), sizeOf(asObject(value)?.max)];
  return min && max ? { min, max } : undefined;
}

function sizeOf(value: unknown): Size | undefined {
  return typeof value === 'string' ? parseSize(value) : undefined;
}
