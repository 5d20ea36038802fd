import { callerOf } from '../accounts/authenticate.ts';
import { mayAsk, type Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { Server } from '../http/server.ts';
import { KEY_LIFETIME_MS } from '../jobs/create-job.ts';
import { allowedSizes } from '../jobs/video-request.ts';
import { type Catalog, type CatalogEntry, namesOf } from '../providers/catalog.ts';
import { canStandIn } from '../derivations/derive.ts';
import { sizeText, SOURCE_KINDS } from '../providers/model.ts';
import { Type } from 'typebox';
import { ModelsSchema, OpenAiFailure } from './videos.schemas.ts';

/** `/v1/models`: what may be asked for, with what each can do under `sora_studio`. */
export function registerOpenAiModelRoutes(server: Server, { catalog }: { catalog: Catalog }): void {
  const common = { tags: ['OpenAI'], security: KEY_REQUIRED };

  server.get(
    '/models',
    {
      schema: { ...common, summary: 'List models', response: { 200: ModelsSchema, 401: OpenAiFailure } },
    },
    (request) => ({
      object: 'list' as const,
      data: entries(catalog, callerOf(request)).map(viewModel),
    }),
  );

  server.get(
    '/models/:model',
    {
      schema: {
        ...common,
        summary: 'Retrieve a model',
        params: Type.Object({ model: Type.String() }),
        response: { 200: Type.Record(Type.String(), Type.Unknown()), 401: OpenAiFailure, 404: OpenAiFailure },
      },
    },
    (request) => {
      const found = entries(catalog, callerOf(request)).find(
        (entry) => nameOf(entry) === request.params.model,
      );
      if (!found)
        throw new AppError('not_found', { message: `There is no model "${request.params.model}".` });
      return viewModel(found);
    },
  );
}

function entries(catalog: Catalog, { models }: Principal): CatalogEntry[] {
  return [...catalog.list(), ...catalog.aliases()].filter((entry) => mayAsk(models, namesOf(entry)));
}

function nameOf({ model, alias }: CatalogEntry): string {
  return alias ?? model.id;
}

function viewModel(entry: CatalogEntry) {
  const { model, connection } = entry;
  return {
    id: nameOf(entry),
    object: 'model',
    created: 0,
    owned_by: connection.name,
    sora_studio: {
      seconds: 'min' in model.seconds ? model.seconds : [...model.seconds],
      default_seconds: model.defaultSeconds,
      sizes: allowedSizes(model),
      default_size: sizeText(model.defaultSize),
      input_reference: model.inputReference,
      // What a Sora Studio in front of this one may rely on.
      idempotency_key: true,
      idempotency_seconds: KEY_LIFETIME_MS / 1000,
      list: 'complete',
      delete_stops: true,
      // What its provider does itself. The rest of remix, edit and extend is done by stand-ins, which a Sora Studio in
      // front of this one can make as well, and then says so.
      operations: [...(model.operations ?? [])],
      stand_ins: SOURCE_KINDS.filter((kind) => !model.operations?.includes(kind) && canStandIn(kind, model)),
    },
  };
}
