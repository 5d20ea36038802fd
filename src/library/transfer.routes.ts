import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { AppError } from '../core/errors.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { exportLibrary } from './export.ts';
import { importLibrary } from './import.ts';
import type { LibraryParts } from './library.ts';
import { withBodyFile } from './receive.ts';
import { sendZip } from './zip-send.ts';
import { ZIP_ANSWER } from './zip.routes.ts';

const ImportSchema = Type.Object(
  {
    imported: Type.Integer(),
    skipped: Type.Integer({ description: 'Videos that were there already.' }),
    failed: Type.Array(Type.Object({ jobId: Type.String(), code: Type.String(), message: Type.String() }), {
      description: 'The first 1,000 that could not be imported.',
    }),
    failedTotal: Type.Integer(),
    collections: Type.Integer({ description: 'New ones.' }),
    assets: Type.Integer({ description: 'New ones.' }),
    batches: Type.Integer({ description: 'New ones.' }),
  },
  { title: 'Import' },
);

/** `/api/v1/export` and `/api/v1/import`, on a server that knows its callers. */
export function registerTransferRoutes(server: Server, parts: LibraryParts): void {
  const common = { tags: ['Library'], security: KEY_REQUIRED };

  server.get(
    '/export',
    {
      exposeHeadRoute: false,
      schema: {
        ...common,
        operationId: 'exportLibrary',
        summary: 'Everything you have, as one zip',
        description: 'Videos with their files, facts and lineage, collections, batches and reference images.',
        response: { 200: ZIP_ANSWER as unknown, ...failures([]) },
      },
    },
    async (request, reply) => {
      const day = new Date(parts.clock.now()).toISOString().slice(0, 'YYYY-MM-DD'.length);
      return sendZip(
        reply as FastifyReply,
        `sora-studio-${day}.zip`,
        exportLibrary(parts, callerOf(request)),
      );
    },
  );

  void server.register(async (scope: Server) => {
    // A body of any size goes to a file: nothing here may try to read it into memory.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('application/zip', (_request, payload, done) => done(null, payload));
    scope.addContentTypeParser('*', (_request, _payload, done) => done(notZip()));
    scope.post(
      '/import',
      {
        // The body is a stream: there is nothing to validate.
        validatorCompiler: () => () => true,
        schema: {
          ...common,
          operationId: 'importLibrary',
          summary: 'Take over what an export holds',
          description:
            'Finished videos as they were, their files checked. What is there already is skipped: importing twice is importing once.',
          consumes: ['application/zip'],
          body: Type.Unsafe<IncomingMessage | null>({ type: 'string', format: 'binary' }),
          response: { 200: Success(ImportSchema), ...failures([400, 413, 415]) },
        },
      },
      async (request, reply) => {
        const { body } = request;
        if (!body) throw notZip();
        // After a refusal in the middle of a body nothing else can come over this connection.
        reply.raw.shouldKeepAlive = false;
        const { tempDir, importLimitBytes: limitBytes } = parts;
        const data = await withBodyFile({ tempDir, limitBytes }, body, (path) =>
          importLibrary(parts, callerOf(request), path),
        );
        return { success: true as const, data };
      },
    );
  });
}

function notZip(): AppError {
  return new AppError('unsupported_media_type', { message: 'Send the export as application/zip.' });
}
