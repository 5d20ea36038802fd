import { type CancelOutcome, type Operation, ProviderError, type StopContext } from '../provider.ts';
import { operationId, readAnswer, stateOf, type VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';

/**
 * Stops a video by deleting it, where that stops it and it has not ended. Throws `ProviderError`: `rejected` with code
 * `cancel_unsupported` where a video cannot be stopped, `gone` when the server does not know it.
 */
export async function cancelVideo(
  connection: ServerConnection,
  operation: Operation,
  { signal, beforeStop }: StopContext,
): Promise<CancelOutcome> {
  const { video } = await connection.retrieve(operation, signal);
  const before = ended(video);
  if (before) return before;
  if (!(connection.promises?.deleteStops ?? connection.dialect.deleteStops)) {
    throw new ProviderError('rejected', 'cancel_unsupported', 'This provider cannot stop a running video.');
  }
  const id = operationId(operation);
  await beforeStop?.();
  const answer = await connection.call('DELETE', `/videos/${encodeURIComponent(id)}`, signal);
  // It may have ended between the two calls; the answer shows how it was found, whatever its status.
  const found = readAnswer(answer.json);
  const outcome = found?.id === id ? ended(found) : undefined;
  if (outcome) return outcome;
  if (answer.status < 200 || answer.status > 299) throw connection.failure(answer, 'read');
  return 'cancelled';
}

function ended(video: VideoAnswer): CancelOutcome | undefined {
  if (/^(cancell?ed|deleted)$/.test(video.status)) return 'cancelled';
  const state = stateOf(video);
  return state === 'done' || state === 'failed' ? 'too_late' : undefined;
}
