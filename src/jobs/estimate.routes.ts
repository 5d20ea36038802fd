import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { microsToUsd } from '../core/money.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Nullable, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Rate } from '../usage/price-book.ts';
import { createBodyReader } from './create-body.ts';
import type { DraftJob } from './draft-job.ts';
import * as schemas from './jobs.schemas.ts';

const EstimateSchema = Type.Object(
  {
    model: Type.String(),
    provider: Type.String(),
    duration: Type.Integer({ description: 'Seconds.' }),
    resolution: Type.String(),
    estimatedUsd: Type.Number({ description: 'What would be held for it.' }),
    pricePerSecondUsd: Nullable(Type.Number({ description: 'null: nobody has said what the model costs.' })),
    priceSource: Nullable(Type.Unsafe<Rate['source']>({ type: 'string', enum: ['operator', 'connection'] })),
  },
  { title: 'Estimate' },
);

/** `POST /api/v1/estimate`: what a video would cost, from the very function that decides what is held for it. */
export function registerEstimateRoutes(server: Server, { draftJob }: { draftJob: DraftJob }): void {
  server.post(
    '/estimate',
    {
      preValidation: createBodyReader(),
      config: { scope: 'videos:read' },
      schema: {
        tags: ['Models'],
        operationId: 'estimateVideo',
        summary: 'What a video would cost',
        description: 'Takes what `POST /api/v1/videos` takes, checks it the same way, and creates nothing.',
        security: KEY_REQUIRED,
        body: schemas.CreateBody,
        response: { 200: Success(EstimateSchema), ...failures([400, 403, 413, 415]) },
      },
    },
    (request) => {
      const { duration, aspectRatio, aspect_ratio: snake, inputReference, ...rest } = request.body;
      const wishes = {
        ...rest,
        seconds: duration,
        aspectRatio: aspectRatio ?? snake,
        hasReference: inputReference !== undefined || request.reference !== undefined,
      };
      const job = draftJob(callerOf(request), wishes);
      const rate = (job.rate ?? undefined) as Rate | undefined;
      const size = `${job.width}x${job.height}`;
      const perSecond = rate && (rate.bySize[size] ?? rate.perSecondMicros);
      const data = {
        model: job.model,
        provider: job.connection,
        duration: job.seconds,
        resolution: size,
        estimatedUsd: microsToUsd(job.estimated_micros),
        pricePerSecondUsd: perSecond === undefined ? null : microsToUsd(perSecond),
        priceSource: rate?.source ?? null,
      };
      return { success: true as const, data };
    },
  );
}
