import { callerOf } from '../accounts/authenticate.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from '../jobs/client-retry.ts';
import { createBodyReader, sendCreated } from '../jobs/create-body.ts';
import { viewJob } from '../jobs/job-view.ts';
import { CreateHeaders, JobId, JobSchema } from '../jobs/jobs.schemas.ts';
import { runBulk } from './bulk.ts';
import { registerCollectionRoutes } from './collections.routes.ts';
import type { LibraryParts } from './library.ts';
import * as schemas from './library.schemas.ts';
import { patchJob } from './patch-job.ts';
import { readSelection } from './selection.ts';
import { registerTransferRoutes } from './transfer.routes.ts';
import { registerZipRoutes } from './zip.routes.ts';

/** What people do with the videos they have, on a server that knows its callers. */
export function registerLibraryRoutes(
  server: Server,
  { library: parts, createLimit }: { library: LibraryParts; createLimit: RateLimit },
): void {
  const common = { tags: ['Library'], security: KEY_REQUIRED };
  const readBody = createBodyReader();
  registerCollectionRoutes(server, parts);
  registerZipRoutes(server, parts);
  registerTransferRoutes(server, parts);

  server.patch(
    '/videos/:jobId',
    {
      // What is not the caller's is not there, whatever the body says.
      preValidation: [
        async (request) => {
          const { jobId } = request.params as { jobId: string };
          await parts.jobs.get(callerOf(request), jobId, { trashToo: true });
        },
        readBody,
      ],
      schema: {
        ...common,
        operationId: 'updateVideo',
        summary: "Change a video's details",
        description: 'At any time, also while it is being made. Fields that are left out stay as they are.',
        params: JobId,
        body: schemas.PatchBody,
        response: { 200: Success(JobSchema), ...failures([400, 404, 409]) },
      },
    },
    async (request) => {
      const job = await patchJob(parts, callerOf(request), request.params.jobId, request.body);
      return { success: true as const, data: viewJob(job) };
    },
  );

  server.post(
    '/videos/bulk',
    {
      preValidation: readBody,
      schema: {
        ...common,
        operationId: 'bulkVideos',
        summary: 'Do one thing to many videos',
        description:
          'To the videos of `ids`, or to the first 1,000 that `filter` finds, oldest first. Each has a result of its own, in that order; one that cannot be done stops no other.',
        headers: CreateHeaders,
        body: schemas.BulkBody,
        response: { 200: Success(schemas.BulkSchema), ...failures([400, 404, 422]) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const { action, tags, collectionId, dryRun = false } = request.body;
      if (action === 'retry' && !dryRun) await createLimit(caller, request, reply);
      const selection = readSelection(request.body);
      const wish = { action, selection, tags, collectionId, dryRun };
      return sendCreated(reply, await runBulk(parts, caller, wish, readClientRetry(request, caller)));
    },
  );
}
