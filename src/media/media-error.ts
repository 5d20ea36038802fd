/**
 * How work on media files can end badly.
 * - `media_invalid`: the file is not a video we accept; the message names what is wrong. Trying again is no use.
 * - `media_timeout`: it took longer than it may; the work was killed. Broken files do this, so does a busy machine.
 * - `media_crashed`: the child process died (segmentation fault, out of memory).
 * - `media_failed`: the work could not be done for another reason (file not there, disk full, …).
 * - `media_aborted`: the caller's signal said stop, or the room was closed.
 */
export const MEDIA_ERROR_CODES = [
  'media_invalid',
  'media_timeout',
  'media_crashed',
  'media_failed',
  'media_aborted',
] as const;

export type MediaErrorCode = (typeof MEDIA_ERROR_CODES)[number];

export interface MediaErrorOptions {
  /** The end of what the child wrote to stderr. For logs only: it may hold bytes of the broken file. */
  stderr?: string;
  cause?: unknown;
}

/**
 * Every failure of this room. The message of `media_invalid` is a sentence for people, without paths or bytes of
 * the file; `media_failed` passes on the system's words, which may name a path: for logs.
 */
export class MediaError extends Error {
  override readonly name = 'MediaError';
  readonly code: MediaErrorCode;
  readonly stderr: string;

  constructor(code: MediaErrorCode, message: string, options: MediaErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.stderr = options.stderr ?? '';
  }
}

/** Whether a text is one of our codes, for what comes back from a child. */
export function isMediaErrorCode(text: unknown): text is MediaErrorCode {
  return MEDIA_ERROR_CODES.some((code) => code === text);
}
