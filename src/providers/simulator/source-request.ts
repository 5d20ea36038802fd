import type { FastifyRequest } from 'fastify';
import { asObject } from '../../core/json.ts';
import type { ModelSpec, SourceKind } from '../model.ts';
import { checkPrompt, checkSeconds, type CreateRequest, readFields } from './create-request.ts';
import type { ServerVideos } from './server-videos.ts';
import { SERVER_MODELS, type WireDialect, WireError } from './wire.ts';

/** The longest that extensions come to, in seconds. */
const LONGEST = 120;

/**
 * Reads a remix, edit or extension of a finished video: a new clip of the same model and size that shows the new
 * prompt; an extension is as long as both together. Throws a `WireError`.
 */
export async function readSourceRequest(
  request: FastifyRequest,
  kind: SourceKind,
  videos: Pick<ServerVideos, 'get'>,
  dialect: WireDialect,
): Promise<CreateRequest> {
  const fields = await readFields(request);
  const prompt = checkPrompt(fields.prompt);
  const named = kind === 'remix' ? (request.params as { id: string }).id : asObject(fields.video)?.id;
  if (typeof named !== 'string' || named === '') {
    throw new WireError(400, 'invalid_value', 'video must be {id}: uploads are not simulated.', 'video');
  }
  const { stored, state } = videos.get(named);
  if (state.phase !== 'done') {
    throw new WireError(400, 'video_not_completed', `Video '${named}' is not completed.`, 'video');
  }
  const model = SERVER_MODELS.find(({ id }) => id === stored.model);
  if (!model) throw new Error(`the model ${stored.model} has gone`);
  const { width, height, seconds: length } = stored.video;
  const seconds = kind === 'extend' ? length + addedSeconds(fields.seconds, length, model, dialect) : length;
  return { prompt, model, seconds, size: { width, height }, source: { kind, id: named } };
}

function addedSeconds(value: unknown, length: number, model: ModelSpec, dialect: WireDialect): number {
  if (value === undefined) throw new WireError(400, 'invalid_value', 'seconds is needed.', 'seconds');
  const added = checkSeconds(value, model, dialect);
  if (length + added <= LONGEST) return added;
  const message = `The whole would have ${length + added} seconds; ${LONGEST} are possible.`;
  throw new WireError(400, 'invalid_value', message, 'seconds');
}
