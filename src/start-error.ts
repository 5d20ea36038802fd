/** Why the program does not start, in words for the person at the terminal: what is wrong and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}
