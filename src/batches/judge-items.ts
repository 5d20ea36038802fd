import type { Principal } from '../accounts/principal.ts';
import type { ImageInput } from '../assets/image-input.ts';
import { asObject } from '../core/json.ts';
import { readReference, refuseUnstorable } from '../jobs/create-body.ts';
import type { DraftJob, VideoWishes } from '../jobs/draft-job.ts';
import type { Job } from '../jobs/job.ts';
import type { CreateBody } from '../jobs/jobs.schemas.ts';
import type { Placed } from '../jobs/new-job.ts';
import type { Scale } from '../media/image.ts';
import type { BatchDefaults, BatchItem, BatchRequest, ItemProblem } from './batch.ts';
import { named, type NamedProblem, problemOf, refusal, wrongNumber } from './item-problems.ts';
import type { SchemaCheck } from './schema-check.ts';

/** A reference image that an item asks for, not looked at yet. */
export interface WantedPicture {
  input: ImageInput;
  scale: Scale | undefined;
  /** The same for the same picture in the same size. */
  key: string;
}

/** A video of a batch that can be created, but for its picture. */
export interface JudgedItem {
  job: Job;
  picture: WantedPicture | undefined;
  line: number | undefined;
}

export interface Judge {
  draftJob: DraftJob;
  check: SchemaCheck<CreateBody>;
  maxVideos: number;
}

/**
 * Drafts every video of a batch. Throws `invalid_batch` that names each one that could not be created on its own, with
 * all that is wrong with it.
 */
export function judgeItems(
  { draftJob, check, maxVideos }: Judge,
  caller: Principal,
  { items, defaults, webhookUrl }: BatchRequest,
  batchId?: string,
): JudgedItem[] {
  if (items.length === 0 || items.length > maxVideos) throw wrongNumber(items.length, maxVideos);
  const common = oneName(defaults ?? {});
  const problems: NamedProblem[] = [];
  // They are created together, in one day, however long it takes to look at them.
  let at: Date | undefined;
  const judged = items.map((item, index) => {
    const placed = batchId === undefined ? {} : { batch_id: batchId, batch_index: index };
    const found = judge(item, placed);
    if (!Array.isArray(found)) return found;
    problems.push(...found.map((problem) => named(problem, index, item.line)));
    return undefined;
  });
  if (problems.length > 0) throw refusal(problems, items.length);
  return judged.filter((item) => item !== undefined);

  function judge(item: BatchItem, placed: Placed): JudgedItem | ItemProblem[] {
    if (item.problem) return [item.problem];
    const video = merge(common, item);
    if (!video) return [{ code: 'invalid_request', message: 'A video must be an object.' }];
    if (!check.passes(video)) return check.problems();
    try {
      refuseUnstorable(video, []);
      const input = readReference(video, undefined);
      const job = draftJob(caller, wishesFor(video, webhookUrl), { placed, at });
      at = job.created_at;
      return { job, picture: input && pictureFor(video, input, job), line: item.line };
    } catch (error) {
      return [problemOf(error)];
    }
  }
}

/** An item with what it leaves to the defaults. Lists and objects are replaced, not joined. */
function merge(common: BatchDefaults, { value, customId }: BatchItem): Record<string, unknown> | undefined {
  const own = asObject(value);
  if (!own) return undefined;
  const video = { ...common, ...oneName(own) };
  // A default for pictures is nothing to those that have none; said by the video itself it is a mistake.
  if (video.inputReference === undefined && !('referenceFit' in own)) delete video.referenceFit;
  if (customId === undefined) return video;
  const metadata = 'metadata' in video ? video.metadata : {};
  return {
    ...video,
    metadata: asObject(metadata) ? { ...(metadata as object), custom_id: customId } : metadata,
  };
}

/** One name for what has two: an item's `aspect_ratio` is to win over the defaults' `aspectRatio`. */
function oneName<Fields extends object>(fields: Fields): Fields {
  if (!('aspect_ratio' in fields)) return fields;
  const { aspect_ratio: aspectRatio, ...rest } = fields;
  return { aspectRatio, ...rest } as Fields;
}

function wishesFor(video: CreateBody, webhookUrl: string | undefined): VideoWishes {
  const { duration, aspectRatio, aspect_ratio: _same, inputReference, referenceFit: _later, ...rest } = video;
  return {
    ...rest,
    seconds: duration,
    aspectRatio,
    hasReference: inputReference !== undefined,
    webhookUrl: rest.webhookUrl ?? webhookUrl,
  };
}

function pictureFor(
  { inputReference, referenceFit: fit }: CreateBody,
  input: ImageInput,
  { width, height }: Job,
): WantedPicture {
  const scale = fit && { width, height, fit };
  return { input, scale, key: `${scale ? `${fit} ${width}x${height}` : 'as it is'} ${inputReference}` };
}
