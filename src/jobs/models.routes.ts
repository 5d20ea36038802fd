import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { mayAsk } from '../accounts/principal.ts';
import { microsToUsd } from '../core/money.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { type Catalog, type CatalogEntry, namesOf } from '../providers/catalog.ts';
import { sizeText, SOURCE_KINDS, type SourceKind } from '../providers/model.ts';
import { allowedSizes } from './video-request.ts';

const ModelSchema = Type.Object(
  {
    id: Type.String(),
    aliasOf: Nullable(Type.String({ description: 'The model an alias stands for.' })),
    provider: Type.String(),
    description: Type.String(),
    isDefault: Type.Boolean(),
    durations: Type.Union([
      Type.Array(Type.Number()),
      Type.Object({ min: Type.Number(), max: Type.Number() }, { description: 'Whole seconds in between.' }),
    ]),
    defaultDuration: Type.Number(),
    resolutions: Type.Union([
      Type.Array(Type.String()),
      Type.Object({ min: Type.String(), max: Type.String() }, { description: 'Even numbers in between.' }),
    ]),
    defaultResolution: Type.String(),
    inputReference: Type.Boolean(),
    operations: Type.Array(Type.Unsafe<SourceKind>({ type: 'string', enum: [...SOURCE_KINDS] }), {
      description: 'What its provider does itself with finished videos; the rest is done by stand-ins.',
    }),
    pricePerSecondUsd: Nullable(Type.Number({ description: 'null: unknown.' })),
  },
  { title: 'Model' },
);

/** `GET /api/v1/models`. */
export function registerModelRoutes(server: Server, { catalog }: { catalog: Catalog }): void {
  server.get(
    '/models',
    {
      schema: {
        tags: ['Models'],
        operationId: 'listModels',
        summary: 'What can be asked for',
        description: 'With a key that is for certain models, those alone.',
        security: KEY_REQUIRED,
        response: { 200: Success(Type.Array(ModelSchema)), ...failures([]) },
      },
    },
    (request) => {
      const { models } = callerOf(request);
      const standard = catalog.standard()?.model.id;
      const data = [...catalog.list(), ...catalog.aliases()]
        .filter((entry) => mayAsk(models, namesOf(entry)))
        .map((entry) => viewModel(entry, standard));
      return { success: true as const, data };
    },
  );
}

function viewModel({ model, connection, alias }: CatalogEntry, standard: string | undefined) {
  return {
    id: alias ?? model.id,
    aliasOf: alias === undefined ? null : model.id,
    provider: connection.name,
    description: model.description,
    isDefault: alias === undefined && model.id === standard,
    durations: 'min' in model.seconds ? model.seconds : [...model.seconds],
    defaultDuration: model.defaultSeconds,
    resolutions: allowedSizes(model),
    defaultResolution: sizeText(model.defaultSize),
    inputReference: model.inputReference,
    operations: [...(model.operations ?? [])],
    pricePerSecondUsd:
      model.pricePerSecondMicros === undefined ? null : microsToUsd(model.pricePerSecondMicros),
  };
}
