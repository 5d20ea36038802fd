export const VIDEO_CODECS = ['avc', 'hevc', 'vp8', 'vp9', 'av1'] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

/** What a video file turned out to be. */
export interface VideoInfo {
  container: 'mp4' | 'mov' | 'webm';
  /** `avc` is H.264, `hevc` is H.265. */
  codec: VideoCodec;
  /** As shown, in pixels: rotation and pixel shape are honoured. */
  width: number;
  height: number;
  durationSeconds: number;
  hasAudio: boolean;
  sizeBytes: number;
}
