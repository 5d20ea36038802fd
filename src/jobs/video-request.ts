import { AppError } from '../core/errors.ts';
import {
  type ModelSpec,
  parseSize,
  type Size,
  sizeText,
  supportsSeconds,
  supportsSize,
} from '../providers/model.ts';
import type { VideoRequest } from '../providers/provider.ts';

/** What a client may say about the video; everything but the prompt may be left to the model. */
export interface VideoWish {
  prompt: string;
  seconds?: number | undefined;
  /** `720p` or `WxH`. */
  resolution?: string | undefined;
  /** `W:H`, such as `16:9`. */
  aspectRatio?: string | undefined;
  hasReference: boolean;
}

export const PROMPT_MAX_CHARACTERS = 32_000;

/**
 * Completes a wish with the model's defaults and checks it against what the model can do. Throws an `AppError` whose
 * details list what is possible; never bends a wish to fit.
 */
export function resolveRequest(wish: VideoWish, model: ModelSpec): VideoRequest {
  checkPrompt(wish.prompt);
  const seconds = wish.seconds ?? model.defaultSeconds;
  if (!supportsSeconds(model, seconds)) {
    throw new AppError('unsupported_duration', {
      message: `The model ${model.id} makes videos of ${describeSeconds(model)}, not of ${seconds} seconds.`,
      details: { model: model.id, allowed: model.seconds },
      param: 'seconds',
    });
  }
  if (wish.hasReference && !model.inputReference) {
    throw new AppError('unsupported_input', {
      message: `The model ${model.id} does not take a reference image.`,
      param: 'input_reference',
    });
  }
  return { prompt: wish.prompt, seconds, size: resolveSize(wish, model), hasReference: wish.hasReference };
}

function checkPrompt(prompt: string): void {
  const refuse = (message: string) => new AppError('invalid_prompt', { message, param: 'prompt' });
  if (prompt.trim() === '') throw refuse('The prompt is empty: say what the video should show.');
  const length = [...prompt].length;
  if (length > PROMPT_MAX_CHARACTERS) {
    throw refuse(`The prompt has ${length} characters; ${PROMPT_MAX_CHARACTERS} are possible.`);
  }
  // Tab, line feed and carriage return are text; the other control characters are not, and lone surrogates are no
  // characters at all: databases and providers choke on both.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(prompt) || !prompt.isWellFormed()) {
    throw refuse('The prompt has control characters in it: remove them.');
  }
}

function resolveSize(wish: VideoWish, model: ModelSpec): Size {
  const ratio = wish.aspectRatio === undefined ? undefined : parseRatio(wish.aspectRatio);
  const size = wish.resolution === undefined ? undefined : parseSize(wish.resolution);
  if (size) {
    if (ratio !== undefined && !hasRatio(size, ratio)) {
      throw unsupported(model, `${sizeText(size)} is not ${wish.aspectRatio}`, 'aspectRatio');
    }
    if (!supportsSize(model, size)) throw unsupported(model, `not ${sizeText(size)}`, 'size');
    return size;
  }
  const lines = wish.resolution === undefined ? undefined : parseLines(wish.resolution);
  if (lines === undefined && ratio === undefined) return model.defaultSize;
  const found = candidates(model, lines, ratio).find((candidate) => supportsSize(model, candidate));
  if (!found)
    throw unsupported(model, `not ${[wish.resolution, wish.aspectRatio].filter(Boolean).join(' ')}`, 'size');
  return found;
}

/** The sizes that fit a number of lines (short side) and a ratio, the most expected first. */
function candidates(model: ModelSpec, lines: number | undefined, ratio: number | undefined): Size[] {
  const { defaultSize } = model;
  const shortSide = lines ?? Math.min(defaultSize.width, defaultSize.height);
  const wanted = ratio ?? defaultSize.width / defaultSize.height;
  if ('min' in model.sizes) {
    const even = (value: number) => 2 * Math.round(value / 2);
    return wanted >= 1
      ? [{ width: even(shortSide * wanted), height: shortSide }]
      : [{ width: shortSide, height: even(shortSide / wanted) }];
  }
  return model.sizes
    .filter((size) => lines === undefined || Math.min(size.width, size.height) === lines)
    .filter((size) => ratio === undefined || hasRatio(size, ratio))
    .toSorted((a, b) => distance(a) - distance(b));

  function distance(size: Size): number {
    return (
      Math.abs(Math.log(size.width / size.height / wanted)) +
      Math.abs(Math.log(Math.min(size.width, size.height) / shortSide))
    );
  }
}

function parseRatio(text: string): number {
  const match = /^(\d{1,3}):(\d{1,3})$/.exec(text);
  const ratio = match ? Number(match[1]) / Number(match[2]) : Number.NaN;
  if (Number.isFinite(ratio) && ratio > 0) return ratio;
  throw new AppError('invalid_request', {
    message: 'An aspect ratio looks like 16:9 or 9:16.',
    param: 'aspectRatio',
  });
}

function parseLines(text: string): number {
  const named: Record<string, number> = { '2k': 1440, '4k': 2160 };
  const lines = named[text.toLowerCase()] ?? Number(/^(\d{3,4})p$/i.exec(text)?.[1]);
  if (Number.isInteger(lines)) return lines;
  throw new AppError('invalid_request', {
    message: 'A resolution looks like 720p, 1080p or 1280x720.',
    param: 'resolution',
  });
}

/** Within one percent: sides are rounded to even numbers. (7:4, as 1792x1024, is 1.6 % from 16:9.) */
function hasRatio(size: Size, ratio: number): boolean {
  return Math.abs(size.width / size.height / ratio - 1) < 0.01;
}

function unsupported(model: ModelSpec, what: string, param: string): AppError {
  return new AppError('unsupported_size', {
    message: `The model ${model.id} makes ${describeSizes(model)}; ${what}.`,
    details: { model: model.id, allowed: allowedSizes(model) },
    param,
  });
}

/** For people and for error details. */
export function allowedSizes(model: ModelSpec): string[] | { min: string; max: string } {
  return 'min' in model.sizes
    ? { min: sizeText(model.sizes.min), max: sizeText(model.sizes.max) }
    : model.sizes.map(sizeText);
}

function describeSizes(model: ModelSpec): string {
  const sizes = allowedSizes(model);
  return Array.isArray(sizes) ? sizes.join(', ') : `even sizes from ${sizes.min} to ${sizes.max}`;
}

function describeSeconds(model: ModelSpec): string {
  return 'min' in model.seconds
    ? `${model.seconds.min} to ${model.seconds.max} whole seconds`
    : `${model.seconds.join(', ')} seconds`;
}
