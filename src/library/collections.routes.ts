import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { createBodyReader } from '../jobs/create-body.ts';
import { createCollection, getCollection, removeCollection, rename } from './collections.ts';
import { type Collection, listCollections } from './collections.repository.ts';
import type { LibraryParts } from './library.ts';
import * as schemas from './library.schemas.ts';

/** `/api/v1/collections`, on a server that knows its callers. */
export function registerCollectionRoutes(server: Server, parts: LibraryParts): void {
  const common = { tags: ['Library'], security: KEY_REQUIRED };
  const readBody = createBodyReader();

  server.get(
    '/collections',
    {
      schema: {
        ...common,
        operationId: 'listCollections',
        summary: 'Your collections, by name',
        response: { 200: Success(Type.Array(schemas.CollectionSchema)), ...failures([]) },
      },
    },
    async (request) => {
      const collections = await listCollections(parts.db, callerOf(request).ownerId);
      return { success: true as const, data: collections.map(view) };
    },
  );

  server.post(
    '/collections',
    {
      preValidation: readBody,
      schema: {
        ...common,
        operationId: 'createCollection',
        summary: 'Create a collection',
        body: schemas.CollectionBody,
        response: { 201: Success(schemas.CollectionSchema), ...failures([400, 409]) },
      },
    },
    async (request, reply) => {
      const collection = await createCollection(parts, callerOf(request), request.body.name);
      void reply.code(201).header('location', `/api/v1/collections/${collection.id}`);
      return { success: true as const, data: view(collection) };
    },
  );

  server.get(
    '/collections/:collectionId',
    {
      schema: {
        ...common,
        operationId: 'getCollection',
        summary: 'Get a collection',
        description: 'Its videos: `GET /api/v1/videos?collection=ID`.',
        params: schemas.CollectionId,
        response: { 200: Success(schemas.CollectionSchema), ...failures([404]) },
      },
    },
    async (request) => {
      const collection = await getCollection(parts, callerOf(request), request.params.collectionId);
      return { success: true as const, data: view(collection) };
    },
  );

  server.patch(
    '/collections/:collectionId',
    {
      // What is not the caller's is not there, whatever the body says.
      preValidation: [
        async (request) => {
          const { collectionId } = request.params as { collectionId: string };
          await getCollection(parts, callerOf(request), collectionId);
        },
        readBody,
      ],
      schema: {
        ...common,
        operationId: 'renameCollection',
        summary: 'Rename a collection',
        params: schemas.CollectionId,
        body: schemas.CollectionBody,
        response: { 200: Success(schemas.CollectionSchema), ...failures([400, 404, 409]) },
      },
    },
    async (request) => {
      const { collectionId } = request.params;
      const collection = await rename(parts, callerOf(request), collectionId, request.body.name);
      return { success: true as const, data: view(collection) };
    },
  );

  server.delete(
    '/collections/:collectionId',
    {
      schema: {
        ...common,
        operationId: 'deleteCollection',
        summary: 'Delete a collection',
        description: 'Its videos stay.',
        params: schemas.CollectionId,
        response: {
          200: Success(Type.Object({ collectionId: Type.String(), deleted: Type.Literal(true) })),
          ...failures([404]),
        },
      },
    },
    async (request) => {
      const { collectionId } = request.params;
      await removeCollection(parts, callerOf(request), collectionId);
      return { success: true as const, data: { collectionId, deleted: true as const } };
    },
  );
}

function view({ id, name, videos, bytes, createdAt }: Collection) {
  return { collectionId: id, name, videos, bytes, createdAt: createdAt.toISOString() };
}
