import { appendEvents, countJobEvents } from '../events/events.repository.ts';
import { MediaError } from '../media/media-error.ts';
import { PREVIEWS_GENERATION } from '../media/previews.ts';
import type { VideoInfo } from '../media/video-info.ts';
import { ProviderError } from '../providers/provider.ts';
import type { Task } from '../queue/queue.ts';
import { findLiveAttempt } from './attempts.repository.ts';
import { download, type Downloaded } from './download.ts';
import { type EngineParts, type JobTask, notServedHere, providerOf } from './engine.ts';
import { failJob } from './failure.ts';
import { bytesOf, type Job, type JobFiles, type JobResult, type StoredFile } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { moveJob } from './moves.repository.ts';
import { openRun, type RunFiles } from './partial-files.ts';
import { folderOf, storePreviews } from './stored-files.ts';

/** How often a file that arrives whole but is no playable video is fetched again before the job fails. */
const BAD_FILE_TRIES = 3;
/** How often a provider that says there is no file is asked again: some finish a little before their file is there. */
const NO_FILE_TRIES = 5;
/** The upstream may round; more than this and it is another video. Seconds, or a share of what was asked for. */
const LENGTH_TOLERANCE = { seconds: 1, share: 0.25 };

/**
 * Copies a finished video into storage: download with resume, check, previews, then completion. Never leads to
 * a new generation: a broken download is repeated, and only a verdict on the file itself fails the job. Throws to be
 * run again.
 */
export async function archive(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const job = await findJob(parts.db, task.data.jobId);
  if (job?.stage !== 'archiving') return;
  const attempt = await findLiveAttempt(parts.db, job.id);
  if (!attempt?.operation) throw new Error(`${job.id} has no operation to fetch the video of`);
  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider) throw notServedHere(attempt.connection);

  const files = await openRun(parts.tempDir, job.id);
  try {
    const downloaded = await download(provider, attempt.operation, files.part, task.stopping);
    const info = await parts.media.inspectVideo(files.part, { signal: task.stopping });
    checkLength(job, info);
    await keep(parts, job, files, downloaded, info, task.stopping);
    await files.clear();
  } catch (error) {
    const failure = verdict(error);
    if (!failure) throw error;
    await files.clear();
    if (!(await refuseFile(parts, job, failure))) throw error;
  }
}

function checkLength(job: Job, info: VideoInfo): void {
  const tolerance = Math.max(LENGTH_TOLERANCE.seconds, job.seconds * LENGTH_TOLERANCE.share);
  if (Math.abs(info.durationSeconds - job.seconds) <= tolerance) return;
  const made = Math.round(info.durationSeconds * 10) / 10;
  throw new MediaError('media_invalid', `The video is ${made} s long instead of ${job.seconds} s.`);
}

interface Verdict {
  code: string;
  message: string;
  /** How often it has to be heard to be believed. */
  tries: number;
}

/**
 * Notes a verdict in the job's events and, when it has been heard often enough, fails the job: true. Only verdicts count:
 * a worker that died or a connection that broke says nothing about the file.
 */
async function refuseFile(parts: EngineParts, job: Job, { code, message, tries }: Verdict): Promise<boolean> {
  const charged = job.charged_micros === null ? null : job.charged_micros > 0;
  return parts.write(async (write) => {
    const event = { ownerId: job.owner_id, jobId: job.id, type: FILE_REFUSED, data: { code }, at: write.now };
    await appendEvents(write.tx, [event]);
    if ((await countJobEvents(write.tx, job.id, FILE_REFUSED)) < tries) return false;
    await failJob(write, job.id, { code, message, retryable: true, charged });
    return true;
  });
}

const FILE_REFUSED = 'job.file_refused';

/** What an error says about the file itself; undefined when it says nothing and another try may do. */
function verdict(error: unknown): Verdict | undefined {
  if (error instanceof MediaError && error.code === 'media_invalid') {
    const message = `The provider's file cannot be used: ${error.message}`;
    return { code: 'upstream_file_invalid', message, tries: BAD_FILE_TRIES };
  }
  if (error instanceof ProviderError && (error.kind === 'gone' || error.code === 'no_output')) {
    const message = 'The provider says the video is finished but has no file for it.';
    return { code: 'upstream_file_missing', message, tries: NO_FILE_TRIES };
  }
  if (error instanceof ProviderError && error.kind === 'rejected') {
    return { code: error.code, message: error.message, tries: 1 };
  }
  return undefined;
}

async function keep(
  parts: EngineParts,
  job: Job,
  files: RunFiles,
  downloaded: Downloaded,
  info: VideoInfo,
  signal: AbortSignal,
): Promise<void> {
  const previews = await parts.media.makePreviews(files.part, files, { signal });
  const folder = folderOf(job.id, files.run);
  const video: StoredFile = {
    key: `${folder}/video.${info.container}`,
    sizeBytes: downloaded.sizeBytes,
    sha256: downloaded.sha256,
    contentType: CONTENT_TYPES[info.container],
  };
  const pictures = await storePreviews(parts.storage, previews, files, { folder, signal });
  const stored: JobFiles = { video, ...pictures };
  await parts.storage.putFile(video.key, files.part, { ...video, signal });
  const { width, height, codec, hasAudio, durationSeconds } = info;
  const result: JobResult = { seconds: durationSeconds, width, height, codec, hasAudio, files: stored };
  await complete(parts, job, result);
}

const CONTENT_TYPES = { mp4: 'video/mp4', mov: 'video/quicktime', webm: 'video/webm' } as const;

async function complete(parts: EngineParts, job: Job, result: JobResult): Promise<void> {
  const completed = await parts.write((write) =>
    moveJob(
      write,
      job.id,
      'complete',
      {
        progress: 100,
        result: JSON.stringify(result),
        stored_bytes: bytesOf(result.files),
        previews: PREVIEWS_GENERATION,
        charged_micros: job.charged_micros ?? job.estimated_micros,
        estimated_at: null,
      },
      { sizeBytes: result.files.video.sizeBytes },
    ),
  );
  if (completed) return;
  // Cancelled meanwhile, or somebody else was first: nobody will ask for these files.
  for (const file of Object.values(result.files)) await parts.storage.remove(file.key);
}
