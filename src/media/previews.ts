/** Where to write them. An existing file is replaced. */
export interface PreviewTargets {
  poster: string;
  sheet: string;
  preview: string;
}

/** What has been written. */
export interface Previews {
  poster: boolean;
  sheet: boolean;
  preview: boolean;
  /** What decoded the video; `placeholder` when nothing could. */
  source: 'ffmpeg' | 'webcodecs' | 'placeholder';
  /** Why it is a placeholder. For logs. */
  reason?: string;
}

/** What there is for a video that nothing here can decode. */
export const POSTER_ONLY = { poster: true, sheet: false, preview: false, source: 'placeholder' } as const;

/** What is made of a video, as `jobs.previews` counts it: a video of an older generation gets new ones. */
export const PREVIEWS_GENERATION = 1;

/** Tiles of a sheet, in rows of four, evenly spread over the video. */
export const TILES = 16;
export const TILES_PER_ROW = 4;

/** Fits a size into a box, keeping its shape, never enlarging; whole pixels, at least one. */
export function fitInside(size: Size, box: Size): Size {
  const scale = Math.min(1, box.width / size.width, box.height / size.height);
  const whole = (value: number) => Math.max(1, Math.round(value * scale));
  return { width: whole(size.width), height: whole(size.height) };
}

interface Size {
  width: number;
  height: number;
}
