/**
 * Why the embedded PostgreSQL cannot be had.
 * - `locked`: another process uses the same DATA_DIR.
 * - `unsupported`: this machine or user cannot run it.
 * - `broken`: it was run and failed; the message carries what it said.
 */
export type DatabaseStartFailure = 'locked' | 'unsupported' | 'broken';

/** Stops the start of the program. Its message is for the person at the terminal and says what to do. */
export class DatabaseStartError extends Error {
  override readonly name = 'DatabaseStartError';
  readonly failure: DatabaseStartFailure;

  constructor(failure: DatabaseStartFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}
