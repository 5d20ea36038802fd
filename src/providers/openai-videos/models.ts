import { usdToMicros } from '../../core/money.ts';
import {
  type ModelSpec,
  parseSize,
  type Size,
  type SourceKind,
  supportsSeconds,
  supportsSize,
} from '../model.ts';
import { SORA_2, SORA_2_PRO } from '../sora.ts';

/** What an operator says about a model; the rest is learned or assumed. */
export interface ConfiguredModel {
  id: string;
  upstreamModel?: string;
  description?: string;
  seconds?: readonly number[];
  /** `WxH`. */
  sizes?: readonly string[];
  inputReference?: boolean;
  /** What the server makes of finished videos of it. */
  operations?: readonly SourceKind[];
  pricePerSecondUsd?: number;
}

/** Sora as it was: what to offer when nobody says anything. */
export const DEFAULT_MODELS: readonly ModelSpec[] = [SORA_2, SORA_2_PRO];

const COMMON_SIZES: readonly Size[] = [
  [1280, 720],
  [720, 1280],
  [1920, 1080],
  [1080, 1920],
  [1792, 1024],
  [1024, 1792],
  [1024, 1024],
  [960, 960],
  [854, 480],
  [480, 854],
  [832, 480],
  [480, 832],
].map(([width = 0, height = 0]) => ({ width, height }));

/** A model of which only the name is known: common sizes, any length up to a minute; the upstream has the last word. */
export function modelNamed(id: string): ModelSpec {
  const known = DEFAULT_MODELS.find((model) => model.id === id);
  return (
    known ?? {
      id,
      upstreamModel: id,
      description: `${id}.`,
      seconds: { min: 1, max: 60 },
      defaultSeconds: 4,
      sizes: COMMON_SIZES,
      defaultSize: { width: 1280, height: 720 },
      inputReference: true,
    }
  );
}

/** A configured model, on top of what the server said about it, on top of what is known about its name. */
export function configuredModel(
  configured: string | ConfiguredModel,
  learned: readonly ModelSpec[],
): ModelSpec {
  const given = typeof configured === 'string' ? { id: configured } : configured;
  const upstreamModel = given.upstreamModel ?? given.id;
  const base = learned.find((model) => model.upstreamModel === upstreamModel) ?? modelNamed(upstreamModel);
  const sizes = given.sizes?.map(parseSize).filter((size) => size !== undefined);
  const spec: ModelSpec = {
    ...base,
    id: given.id,
    upstreamModel,
    description: given.description ?? base.description,
    seconds: given.seconds ? given.seconds.toSorted((a, b) => a - b) : base.seconds,
    sizes: sizes && sizes.length > 0 ? sizes : base.sizes,
    inputReference: given.inputReference ?? base.inputReference,
    ...(given.operations ? { operations: given.operations } : {}),
  };
  if (given.pricePerSecondUsd === undefined) return withFittingDefaults(spec);
  const { pricePerSecondBySize: _known, ...rest } = spec;
  return withFittingDefaults({ ...rest, pricePerSecondMicros: usdToMicros(given.pricePerSecondUsd) });
}

/** The model with what servers of its kind do, where nobody has said it of this one. */
export function withOperations(spec: ModelSpec, operations: readonly SourceKind[]): ModelSpec {
  return spec.operations ? spec : { ...spec, operations };
}

/** The model with its defaults moved into its limits, where they lie outside. */
export function withFittingDefaults(spec: ModelSpec): ModelSpec {
  const shortest = 'min' in spec.seconds ? spec.seconds.min : (spec.seconds[0] ?? spec.defaultSeconds);
  const first = 'min' in spec.sizes ? spec.sizes.min : (spec.sizes[0] ?? spec.defaultSize);
  return {
    ...spec,
    defaultSeconds: supportsSeconds(spec, spec.defaultSeconds) ? spec.defaultSeconds : shortest,
    defaultSize: supportsSize(spec, spec.defaultSize) ? spec.defaultSize : first,
  };
}
