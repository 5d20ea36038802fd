import { parseSize, sizeText } from '../model.ts';
import type { Fit } from '../listed-video.ts';
import type { Plan } from '../provider.ts';
import { operationId, type VideoAnswer } from './answer.ts';

type Told = Pick<VideoAnswer, 'createdAt' | 'prompt' | 'model' | 'size' | 'seconds' | 'remixedFrom'>;

/** How well what a server tells of a video fits what was asked for. Pure. */
export function fitOf(video: Told, plan: Plan): Fit {
  const fits = [
    fitOfPrompt(video.prompt, String(plan.request.prompt)),
    fitOfSize(video.size, sizeText(plan.size)),
    video.seconds === undefined || lengthsOf(plan).includes(Math.round(video.seconds)) ? 'match' : 'other',
    video.model === undefined || isSameModel(video.model, plan.upstreamModel) ? 'match' : 'near',
    fitOfSource(video.remixedFrom, plan.source && operationId(plan.source.operation)),
  ] as const;
  if (fits.includes('other')) return 'other';
  return fits.includes('near') || video.createdAt === undefined ? 'near' : 'match';
}

function fitOfPrompt(told: string | undefined, prompt: string): Fit {
  if (told === undefined) return 'near';
  const [theirs, ours] = [normalForm(told), normalForm(prompt)];
  if (theirs === ours) return 'match';
  // Cut, with or without a sign of it.
  return ours.startsWith(theirs.replace(/\s*(\.{3}|…)$/, '')) ? 'near' : 'other';
}

/** Text as it is the same for every way of writing it: Unicode's composed form, white space as one blank, none around. */
function normalForm(text: string): string {
  return text.normalize('NFC').replace(/\s+/g, ' ').trim();
}

function fitOfSize(told: string | undefined, size: string): Fit {
  if (told === undefined) return 'match';
  const [, width, height] = /^\s*(\d+)\s*[x×*:,\s]\s*(\d+)\s*$/i.exec(told) ?? [];
  // A name such as "720p" says too little.
  if (width === undefined || parseSize(`${width}x${height}`) === undefined) return 'near';
  return `${width}x${height}` === size ? 'match' : 'other';
}

/** One that does not say what it was made from may be another job's, created from the same prompt alone. */
function fitOfSource(told: string | undefined, source: string | undefined): Fit {
  if (told === source) return 'match';
  return told === undefined ? 'near' : 'other';
}

/** An extension is as long as the whole; some servers may say what was added. */
function lengthsOf({ seconds, source }: Plan): number[] {
  return source?.kind === 'extend' ? [seconds, seconds - source.seconds] : [seconds];
}

/** Gateways add or drop a provider in front of a model's name, and versions behind it. */
function isSameModel(a: string, b: string): boolean {
  const [one, other] = [a.trim().toLowerCase(), b.trim().toLowerCase()];
  const isVersion = (of: string, long: string) => long.startsWith(`${of}-20`);
  return (
    one === other ||
    one.endsWith(`/${other}`) ||
    other.endsWith(`/${one}`) ||
    isVersion(one, other) ||
    isVersion(other, one)
  );
}
