import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import pLimit from 'p-limit';
import { type Clock, systemClock } from '../core/clock.ts';
import { runInChild } from './child.ts';
import { childTask, type ChildTask } from './child-task.ts';
import type { Frame, WhichFrame } from './frame-task.ts';
import type { CleanImage, Scale } from './image.ts';
import { MediaError } from './media-error.ts';
import { POSTER_ONLY, type Previews, type PreviewTargets } from './previews.ts';
import type { VideoInfo } from './video-info.ts';

export interface RunOptions {
  signal?: AbortSignal | undefined;
  /** Instead of the task's own limit, in ms. */
  timeoutMs?: number;
}

/** All work on media files. Every call runs in a disposable child process; every failure is a `MediaError`. */
export interface Media {
  /** Probes an untrusted file. `media_invalid` says what is wrong with it; 10 s at the most. */
  inspectVideo(file: string, options?: RunOptions): Promise<VideoInfo>;
  /**
   * Writes a webp poster (longest side 640 px), a jpg sheet (4 × 4 tiles of about 240 px) and an animated webp
   * (longest side 320 px). A video that cannot be decoded here gets a placeholder poster and nothing else: that is no
   * error.
   */
  makePreviews(file: string, targets: PreviewTargets, options?: RunOptions): Promise<Previews>;
  /**
   * Writes the first or the last frame as a png in the video's full size to `target`. A video that cannot be decoded
   * here is no error: `decoded` is false, and nothing is written.
   */
  extractFrame(file: string, which: WhichFrame, target: string, options?: RunOptions): Promise<Frame>;
  /**
   * Decodes a jpeg, png or webp and writes it anew, upright, in sRGB, without metadata or anything else that came along;
   * scaled on request. The same file gives the same bytes. `media_invalid` says what is wrong with it.
   */
  cleanImage(file: string, output: string, options?: RunOptions & { scale?: Scale }): Promise<CleanImage>;
  /** Writes the poster of a video that cannot be decoded. */
  makePlaceholder(poster: string, options?: RunOptions): Promise<Previews>;
  /** Runs another room's task (`childTask`) under the same rules. Arguments and result are JSON. */
  run<Args, Result>(task: ChildTask<Args, Result>, args: Args, options?: RunOptions): Promise<Result>;
  /** Kills what is running and refuses more (`media_aborted`). */
  close(): void;
}

export interface MediaOptions {
  /** Where children look for ffmpeg (the `PATH` variable's value). Nothing else of the environment reaches them. */
  path?: string;
  /** Children at the same time, and as many again for images; half of the cores by default, at least one. */
  concurrency?: number;
  clock?: Clock;
}

const inspect = childTask<typeof import('./inspect-task.ts')>(
  new URL('./inspect-task.ts', import.meta.url),
  10_000,
);
const previews = childTask<typeof import('./previews-task.ts')>(
  new URL('./previews-task.ts', import.meta.url),
  60_000,
);
const frame = childTask<typeof import('./frame-task.ts')>(
  new URL('./frame-task.ts', import.meta.url),
  60_000,
);
const placeholder = childTask<typeof import('./placeholder-task.ts')>(
  new URL('./placeholder-task.ts', import.meta.url),
  10_000,
);
const image = childTask<typeof import('./image-task.ts')>(
  new URL('./image-task.ts', import.meta.url),
  30_000,
);

/** Opens the room. Cheap: no media library is loaded in this process. */
export function createMedia(options: MediaOptions = {}): Media {
  const { path = '', clock = systemClock } = options;
  const concurrency = options.concurrency ?? Math.max(1, Math.floor(availableParallelism() / 2));
  const limit = pLimit(concurrency);
  /** A queue of their own: somebody waits for the answer, and is not to wait for previews, which nobody does. */
  const imageLimit = pLimit(concurrency);
  const closing = new AbortController();

  async function run<Args, Result>(
    task: ChildTask<Args, Result>,
    args: Args,
    call: RunOptions = {},
    queue = limit,
  ) {
    const signal = call.signal ? AbortSignal.any([call.signal, closing.signal]) : closing.signal;
    const request = { url: task.url.href, args };
    const timeoutMs = call.timeoutMs ?? task.timeoutMs;
    let started = false;
    const work = queue(() => {
      started = true;
      return runInChild(request, { path, clock, timeoutMs, signal });
    });
    return (await untilAborted(work, signal, () => !started)) as Result;
  }

  async function makePreviews(file: string, targets: PreviewTargets, call?: RunOptions): Promise<Previews> {
    const { poster, sheet, preview } = targets;
    const paths = { poster: resolve(poster), sheet: resolve(sheet), preview: resolve(preview) };
    try {
      return await run(previews, { file: resolve(file), ...paths }, call);
    } catch (error) {
      // A decoder that crashes or hangs on this file takes only its child with it.
      const code = error instanceof MediaError ? error.code : undefined;
      if (code !== 'media_crashed' && code !== 'media_timeout') throw error;
      return { ...(await makePlaceholder(poster, { signal: call?.signal })), reason: code };
    }
  }

  async function makePlaceholder(poster: string, call?: RunOptions): Promise<Previews> {
    await run(placeholder, { poster: resolve(poster) }, call);
    return { ...POSTER_ONLY };
  }

  async function extractFrame(file: string, which: WhichFrame, target: string, call?: RunOptions) {
    try {
      return await run(frame, { file: resolve(file), which, target: resolve(target) }, call);
    } catch (error) {
      const code = error instanceof MediaError ? error.code : undefined;
      if (code === undefined || code === 'media_aborted' || code === 'media_failed') throw error;
      return { decoded: false, reason: code };
    }
  }

  return {
    extractFrame,
    inspectVideo: (file, call) => run(inspect, { file: resolve(file) }, call),
    makePreviews,
    cleanImage: (file, output, call) =>
      run(image, { file: resolve(file), output: resolve(output), scale: call?.scale }, call, imageLimit),
    makePlaceholder,
    run: (task, args, call) => run(task, args, call),
    close: () => closing.abort(new Error('media is closed')),
  };
}

/** Who waits in the queue should not have to wait to be told that it was given up. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal, isWaiting: () => boolean): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => {
    if (isWaiting())
      reject(new MediaError('media_aborted', 'The work was given up.', { cause: signal.reason }));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
