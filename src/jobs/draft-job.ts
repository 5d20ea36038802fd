import { type Principal, requireModel } from '../accounts/principal.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { type Catalog, type CatalogEntry, namesOf } from '../providers/catalog.ts';
import type { Plan, VideoRequest } from '../providers/provider.ts';
import type { PriceBook } from '../usage/price-book.ts';
import { type Job, type Priority, PRIORITIES } from './job.ts';
import { newJob, type Placed } from './new-job.ts';
import { resolveRequest } from './video-request.ts';

/** What a client asks for; checked against the model when it is drafted. */
export interface VideoWishes {
  prompt: string;
  model?: string | undefined;
  seconds?: number | undefined;
  resolution?: string | undefined;
  aspectRatio?: string | undefined;
  hasReference: boolean;
  priority?: Priority | undefined;
  name?: string | undefined;
  tags?: readonly string[] | undefined;
  metadata?: Readonly<Record<string, string>> | undefined;
  webhookUrl?: string | undefined;
}

export interface DraftOptions {
  /** The request's, where a retry without a key is to find the job by it. */
  fingerprint?: string;
  placed?: Placed;
  /** When it is created; now, unless it is one of several that are created together. */
  at?: Date | undefined;
  /** Changes the request before it is planned: a video that is made from another one. */
  amend?(request: VideoRequest): VideoRequest;
}

/**
 * A job as it would be created: routed, planned and priced, but stored nowhere; its reference image is attached later.
 * Pure but for its id and the time. Throws `model_not_allowed` and what `resolveRequest` and the
 * catalog throw.
 */
export type DraftJob = (caller: Principal, wishes: VideoWishes, options?: DraftOptions) => Job;

export function createDraftJob({
  catalog,
  prices,
  clock,
  allowUnpriced,
}: {
  catalog: Catalog;
  prices: PriceBook;
  clock: Clock;
  /** Whether a model of which nobody has said what it costs may be run, as if it were free. */
  allowUnpriced: boolean;
}): DraftJob {
  return (caller, wishes, { fingerprint, placed, amend, at } = {}) => {
    const entry = catalog.resolve(wishes.model);
    requireModel(caller, [wishes.model, ...namesOf(entry)]);
    const now = at ?? new Date(clock.now());
    const { model, rate } = prices.at(entry, now);
    if (!rate && !allowUnpriced) throw withoutPrice(entry);
    const request = resolveRequest(wishes, model);
    const plan = entry.connection.provider.plan(amend?.(request) ?? request, model);
    return newJob({
      id: newId('video'),
      owner_id: caller.ownerId,
      user_id: caller.userId,
      api_key_id: caller.keyId,
      name: wishes.name ?? null,
      priority: PRIORITIES[wishes.priority ?? 'normal'],
      model: entry.alias ?? model.id,
      connection: entry.connection.name,
      prompt: request.prompt,
      seconds: plan.seconds,
      width: plan.size.width,
      height: plan.size.height,
      plan: planRow(plan),
      reference_key: null,
      reference_type: null,
      tags: [...(wishes.tags ?? [])],
      metadata: { ...wishes.metadata },
      webhook_url: wishes.webhookUrl ?? null,
      estimated_micros: plan.quoteMicros,
      fingerprint: fingerprint ?? null,
      rate: rate ? { ...rate, bySize: { ...rate.bySize } } : null,
      created_at: now,
      ...placed,
    });
  };
}

function withoutPrice({ model, connection }: CatalogEntry): AppError {
  return new AppError('model_without_price', {
    message:
      `Nobody has said what ${model.id} costs: an administrator sets its price with POST /api/v1/admin/prices ` +
      `(0 for free), or allows it with UNPRICED_MODELS=allow.`,
    details: { model: model.id, provider: connection.name },
    param: 'model',
  });
}

function planRow(plan: Plan): Job['plan'] {
  const { source, ...rest } = plan;
  return { ...rest, size: { ...plan.size }, ...(source ? { source: { ...source } } : {}) };
}
