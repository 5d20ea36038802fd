import type { JsonObject } from '../../core/json.ts';
import { type ModelSpec, priceMicros, sizeText } from '../model.ts';
import type { Plan, VideoRequest, VideoSource } from '../provider.ts';
import { operationId } from './answer.ts';
import type { Dialect } from './dialects.ts';

/** The exact request of create or, with a source, of an operation on it. Pure. */
export function planVideo(request: VideoRequest, model: ModelSpec, dialect: Dialect): Plan {
  const { source } = request;
  return {
    upstreamModel: model.upstreamModel,
    seconds: source?.kind === 'extend' ? source.seconds + request.seconds : request.seconds,
    size: request.size,
    ...(source ? { source } : {}),
    request: source ? operationFields(request, source, dialect) : createFields(request, model, dialect),
    quoteMicros: priceMicros(model, request.seconds, request.size) ?? 0,
  };
}

function createFields(request: VideoRequest, model: ModelSpec, dialect: Dialect): JsonObject {
  const extra = Object.entries(request.extra ?? {}).filter(([name]) => dialect.passes.includes(name));
  return {
    ...Object.fromEntries(extra),
    model: model.upstreamModel,
    prompt: request.prompt,
    seconds: secondsField(request, dialect),
    size: sizeText(request.size),
  };
}

/** Model, size and (but for an extension) length are the source's: there are no fields for them. */
function operationFields(request: VideoRequest, source: VideoSource, dialect: Dialect): JsonObject {
  const { prompt } = request;
  if (source.kind === 'remix') return { prompt };
  const video = { id: operationId(source.operation) };
  return source.kind === 'edit'
    ? { prompt, video }
    : { prompt, seconds: secondsField(request, dialect), video };
}

function secondsField({ seconds }: VideoRequest, dialect: Dialect): string | number {
  return dialect.seconds === 'number' ? seconds : String(seconds);
}
