import type { Micros } from '../core/money.ts';

/** A frame size in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** How a new video can be made from a finished one. */
export const SOURCE_KINDS = ['remix', 'edit', 'extend'] as const;

export type SourceKind = (typeof SOURCE_KINDS)[number];

/** The kinds that a value from outside names; undefined when it is no list. */
export function sourceKindsOf(value: unknown): SourceKind[] | undefined {
  return Array.isArray(value) ? SOURCE_KINDS.filter((kind) => value.includes(kind)) : undefined;
}

/** What one model of one connection can be asked for. */
export interface ModelSpec {
  /** The name clients use; unique over all connections. */
  id: string;
  /** The name the upstream knows it by. */
  upstreamModel: string;
  /** One sentence for people. */
  description: string;
  /** Lengths in seconds it can make, ascending; `any` between two bounds, whole seconds. */
  seconds: readonly number[] | { min: number; max: number };
  defaultSeconds: number;
  /** Sizes it can make; `any` within bounds, even numbers. */
  sizes: readonly Size[] | { min: Size; max: Size };
  defaultSize: Size;
  /** Whether it takes a first-frame image. */
  inputReference: boolean;
  /** What its provider makes of a finished video by itself; none when left out. */
  operations?: readonly SourceKind[];
  /** Price of one second of output; undefined when nobody has said (known to be free is 0). */
  pricePerSecondMicros?: Micros;
  /** Sizes (`WxH`) whose second costs something else than `pricePerSecondMicros`. */
  pricePerSecondBySize?: Readonly<Record<string, Micros>>;
}

/** `WxH`, as on the wire. */
export function sizeText(size: Size): string {
  return `${size.width}x${size.height}`;
}

/** Parses `WxH`; undefined when it is not one. */
export function parseSize(text: string): Size | undefined {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const size = { width: Number(match[1]), height: Number(match[2]) };
  return size.width > 0 && size.height > 0 ? size : undefined;
}

export function supportsSeconds(model: ModelSpec, seconds: number): boolean {
  if ('min' in model.seconds) {
    return Number.isInteger(seconds) && seconds >= model.seconds.min && seconds <= model.seconds.max;
  }
  return model.seconds.includes(seconds);
}

export function supportsSize(model: ModelSpec, size: Size): boolean {
  if (!('min' in model.sizes)) {
    return model.sizes.some((known) => known.width === size.width && known.height === size.height);
  }
  const { min, max } = model.sizes;
  const fits = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value % 2 === 0 && value >= low && value <= high;
  return fits(size.width, min.width, max.width) && fits(size.height, min.height, max.height);
}

/**
 * The list price of a video in micro-dollars, or undefined when nobody has said what the model costs.
 * The one place where it is computed: estimates, holds and an adapter's quote all come from here.
 */
export function priceMicros(model: ModelSpec, seconds: number, size: Size): Micros | undefined {
  const perSecond = model.pricePerSecondBySize?.[sizeText(size)] ?? model.pricePerSecondMicros;
  return perSecond === undefined ? undefined : Math.round(perSecond * seconds);
}
