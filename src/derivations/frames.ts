import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Principal } from '../accounts/principal.ts';
import type { Asset, AssetsService } from '../assets/assets.service.ts';
import { writeChunks } from '../assets/bring-image.ts';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { type Job, resultOf } from '../jobs/job.ts';
import type { WhichFrame } from '../media/frame-task.ts';
import type { Media } from '../media/media.ts';
import type { Size } from '../providers/model.ts';
import type { Storage } from '../storage/storage.ts';

export interface FrameParts {
  assets: AssetsService;
  storage: Storage;
  media: Media;
  log: Log;
  /** Folder for files under way. */
  tempDir: string;
}

/**
 * A frame of a finished video as an asset, in the size of the video that is to start from it; undefined when none can be
 * decoded here. Cut off half-way it leaves a file that is swept up, and at worst an asset that nobody uses.
 */
export async function takeFrame(
  { assets, storage, media, log, tempDir }: FrameParts,
  caller: Principal,
  parent: Job,
  which: WhichFrame,
  { width, height }: Size,
): Promise<Asset | undefined> {
  const video = resultOf(parent)?.files.video;
  if (!video) return undefined;
  await mkdir(tempDir, { recursive: true });
  const name = join(tempDir, newId('run'));
  const files = { video: `${name}.video`, frame: `${name}.png` };
  try {
    await writeChunks(await storage.open(video.key), files.video);
    const { decoded, reason } = await media.extractFrame(files.video, which, files.frame);
    if (!decoded) {
      log.info({ jobId: parent.id, which, reason }, 'no frame of a video could be decoded');
      return undefined;
    }
    const scale = { width, height, fit: 'cover' } as const;
    return await assets.take(caller, { file: files.frame, source: 'frame' }, { scale });
  } catch (error) {
    // A frame that makes no reference image is none; nobody has sent a wrong one.
    if (error instanceof AppError && UNFIT.has(error.code)) return undefined;
    throw error;
  } finally {
    for (const file of Object.values(files)) await rm(file, { force: true });
  }
}

const UNFIT: ReadonlySet<string> = new Set(['invalid_reference', 'payload_too_large']);
