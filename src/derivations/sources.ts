import type { Kysely } from 'kysely';
import type { DB } from '../database/schema.ts';
import { findLiveAttempt } from '../jobs/attempts.repository.ts';
import type { VideoWishes } from '../jobs/draft-job.ts';
import type { Job } from '../jobs/job.ts';
import { resolveRequest } from '../jobs/video-request.ts';
import type { CatalogEntry } from '../providers/catalog.ts';
import type { SourceKind } from '../providers/model.ts';
import type { Plan, VideoRequest, VideoSource } from '../providers/provider.ts';

/** What a client may change about the video; what it leaves out is the parent's. */
export type Changes = Partial<Omit<VideoWishes, 'hasReference'>>;

/** The parent as the provider's own operation can use it, or a sentence that says why it cannot. */
export type SourceFound = { source: VideoSource } | { why: string };

/** Whether this model's provider can do it itself with this parent and these changes. */
export async function findSource(
  db: Kysely<DB>,
  parent: Job,
  kind: SourceKind,
  { connection, model }: CatalogEntry,
  changes: Changes,
): Promise<SourceFound> {
  if (!model.operations?.includes(kind)) return { why: `The model ${model.id} has no ${kind} of its own.` };
  const attempt = await findLiveAttempt(db, parent.id);
  if (attempt?.state !== 'accepted' || attempt.operation === null) {
    return { why: 'The video does not come from a provider that is connected here.' };
  }
  const plan = attempt.plan as unknown as Plan;
  if (attempt.connection !== connection.name || plan.upstreamModel !== model.upstreamModel) {
    return { why: `The video was made by ${attempt.connection}/${plan.upstreamModel}, not by ${model.id}.` };
  }
  if (changesShape(parent, kind, changes, { connection, model })) {
    return { why: `The provider's own ${kind} keeps the size${kind === 'extend' ? '' : ' and the length'}.` };
  }
  return { source: { kind, operation: attempt.operation, seconds: parent.seconds } };
}

/** Size and length of an operation's result are its source's; throws what `resolveRequest` throws. */
function changesShape(parent: Job, kind: SourceKind, changes: Changes, { model }: CatalogEntry): boolean {
  const { seconds, resolution, aspectRatio } = changes;
  if (kind !== 'extend' && seconds !== undefined && seconds !== parent.seconds) return true;
  if (resolution === undefined && aspectRatio === undefined) return false;
  const wish = { prompt: parent.prompt, hasReference: false, ...sizeWish(parent, changes) };
  const { size } = resolveRequest(wish, model);
  return size.width !== parent.width || size.height !== parent.height;
}

/** The size that is meant: the parent's, unless it is changed; another shape keeps the parent's number of lines. */
export function sizeWish(
  parent: Job,
  { resolution, aspectRatio }: Changes,
): Pick<VideoWishes, 'resolution' | 'aspectRatio'> {
  if (resolution !== undefined) return { resolution, aspectRatio };
  if (aspectRatio === undefined) return { resolution: `${parent.width}x${parent.height}` };
  const lines = Math.min(parent.width, parent.height);
  return { resolution: lines >= 100 ? `${lines}p` : undefined, aspectRatio };
}

/** Aims a drafted request at its source, whose size it keeps. */
export function onSource(
  source: VideoSource,
  { width, height }: Job,
): (request: VideoRequest) => VideoRequest {
  return (request) => ({
    ...request,
    size: { width, height },
    seconds: source.kind === 'extend' ? request.seconds : source.seconds,
    source,
  });
}

/** The source a job was planned on, if it was. */
export function sourceOf(job: Job): VideoSource | undefined {
  return (job.plan as unknown as Partial<Plan>).source;
}

/** Whether a source can still be used with what a model name means today. */
export function fitsSource(job: Job, source: VideoSource, { connection, model }: CatalogEntry): boolean {
  const { upstreamModel } = job.plan as unknown as Plan;
  return (
    connection.name === job.connection &&
    model.upstreamModel === upstreamModel &&
    model.operations?.includes(source.kind) === true
  );
}
