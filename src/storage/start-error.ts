/** Why the storage cannot be used, in words for the person at the terminal: what is wrong and what to do. */
export class StorageStartError extends Error {
  override readonly name = 'StorageStartError';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}
