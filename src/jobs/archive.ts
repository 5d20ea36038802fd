import { MediaError } from '../media/media-error.ts';
import { PREVIEWS_GENERATION } from '../media/previews.ts';
import type { VideoInfo } from '../media/video-info.ts';
import type { Task } from '../queue/task.ts';
import { pauseBeforeFetch, refuseFile } from './archive-verdict.ts';
import { findLiveAttempt } from './attempts.repository.ts';
import { download, type Downloaded } from './download.ts';
import { type EngineParts, type JobTask, notServedHere, providerOf } from './engine.ts';
import { bytesOf, type Job, type JobFiles, type JobResult, type StoredFile } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { moveJob } from './moves.repository.ts';
import { openRun, type RunFiles } from './partial-files.ts';
import { folderOf, storePreviews } from './stored-files.ts';

/** The upstream may round; more than this and it is another video. Seconds, or a share of what was asked for. */
const LENGTH_TOLERANCE = { seconds: 1, share: 0.25 };

/**
 * Copies a finished video into storage: download with resume, check, previews, then completion. Never leads to
 * a new generation: a broken download is repeated, and only what the provider says of the file itself, for long enough,
 * fails the job. Throws to be run again.
 */
export async function archive(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const job = await findJob(parts.db, task.data.jobId);
  if (job?.stage !== 'archiving') return;
  const attempt = await findLiveAttempt(parts.db, job.id);
  if (!attempt?.operation) throw new Error(`${job.id} has no operation to fetch the video of`);
  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider) throw notServedHere(attempt.connection);

  if ((await pauseBeforeFetch(parts, job.id)) > 0)
    throw new Error('it is too early to ask for the file again');

  const files = await openRun(parts.tempDir, job.id);
  try {
    const downloaded = await download(provider, attempt.operation, files, {
      clock: parts.clock,
      signal: task.stopping,
    });
    const info = await parts.media.inspectVideo(files.part, { signal: task.stopping });
    checkLength(job, info);
    await keep(parts, job, files, downloaded, info, task.stopping);
    await files.clear();
  } catch (error) {
    if (task.stopping.aborted) throw error;
    // A file that is no video is no beginning of one either.
    if (error instanceof MediaError && error.code === 'media_invalid') await files.clear();
    if (!(await refuseFile(parts, job, error))) throw error;
    await files.clear();
  }
}

function checkLength(job: Job, info: VideoInfo): void {
  const tolerance = Math.max(LENGTH_TOLERANCE.seconds, job.seconds * LENGTH_TOLERANCE.share);
  if (Math.abs(info.durationSeconds - job.seconds) <= tolerance) return;
  const made = Math.round(info.durationSeconds * 10) / 10;
  throw new MediaError('media_invalid', `The video is ${made} s long instead of ${job.seconds} s.`);
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
