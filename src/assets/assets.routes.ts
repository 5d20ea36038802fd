import { callerOf } from '../accounts/authenticate.ts';
import { sendContent } from '../http/content.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { imageFilename, viewAsset, viewTaken } from './asset-view.ts';
import * as schemas from './assets.schemas.ts';
import type { AssetsService } from './assets.service.ts';
import { imageIn, readAssetBody, scaleIn } from './create-asset-body.ts';

export interface AssetRoutesOptions {
  assets: AssetsService;
  createLimit: RateLimit;
}

/** `/api/v1/assets`. */
export function registerAssetRoutes(server: Server, { assets, createLimit }: AssetRoutesOptions): void {
  const common = { tags: ['Assets'], security: KEY_REQUIRED };

  server.post(
    '/assets',
    {
      onRequest: async (request, reply) => createLimit(callerOf(request), request, reply),
      preValidation: readAssetBody,
      schema: {
        ...common,
        operationId: 'createAsset',
        summary: 'Store a reference image',
        description:
          'A JPEG, PNG or WebP of up to 20 MiB and 50 megapixels, as `file` in a form or by its address in JSON. It is ' +
          'written anew, upright and without metadata; the same image twice is the same asset.',
        consumes: ['application/json', 'multipart/form-data'],
        body: schemas.CreateAssetBody,
        response: { 201: Success(schemas.TakenAssetSchema), ...failures([400, 413, 415, 503]) },
      },
    },
    async (request, reply) => {
      const { input, param } = imageIn(request.body, request.image);
      const options = { name: request.body.name, scale: scaleIn(request.body), param };
      const taken = await assets.add(callerOf(request), input, options);
      void reply.code(201).header('location', `/api/v1/assets/${taken.asset.id}`);
      return { success: true as const, data: viewTaken(taken) };
    },
  );

  server.get(
    '/assets',
    {
      schema: {
        ...common,
        operationId: 'listAssets',
        summary: 'List your reference images, newest first',
        querystring: schemas.AssetsQuery,
        response: { 200: schemas.AssetListSchema, ...failures([400]) },
      },
    },
    async (request) => {
      const { assets: found, pagination } = await assets.list(callerOf(request), request.query);
      return { success: true as const, data: found.map(viewAsset), pagination };
    },
  );

  server.get(
    '/assets/:assetId',
    {
      schema: {
        ...common,
        operationId: 'getAsset',
        summary: 'Get what is known of a reference image',
        params: schemas.AssetId,
        response: { 200: Success(schemas.AssetSchema), ...failures([404]) },
      },
    },
    async (request) => {
      const asset = await assets.get(callerOf(request), request.params.assetId);
      return { success: true as const, data: viewAsset(asset) };
    },
  );

  server.route({
    method: ['GET', 'HEAD'],
    url: '/assets/:assetId/content',
    schema: {
      ...common,
      summary: 'Download a reference image',
      description: 'Honours Range, If-Range, If-None-Match and HEAD.',
      params: schemas.AssetId,
      response: { ...schemas.IMAGE_ANSWERS, ...failures([404, 416]) },
    },
    handler: async (request, reply) => {
      const asset = await assets.get(callerOf(request), request.params.assetId);
      const { size_bytes: sizeBytes, sha256, content_type: contentType } = asset;
      const file = { sizeBytes, sha256, contentType, filename: imageFilename(asset), attachment: false };
      return sendContent(request, reply, file, { open: (range) => assets.open(asset, range) });
    },
  });

  server.delete(
    '/assets/:assetId',
    {
      schema: {
        ...common,
        operationId: 'deleteAsset',
        summary: 'Delete a reference image',
        description: 'Videos that start from it keep their picture, waiting ones too.',
        params: schemas.AssetId,
        response: { 200: Success(schemas.DeletedAssetSchema), ...failures([404]) },
      },
    },
    async (request) => {
      const { assetId } = request.params;
      await assets.remove(callerOf(request), assetId);
      return { success: true as const, data: { assetId, deleted: true as const } };
    },
  );
}
