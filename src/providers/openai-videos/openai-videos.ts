import type { ModelSpec } from '../model.ts';
import {
  type CallContext,
  type Operation,
  type Plan,
  type PolledPage,
  type Provider,
  ProviderError,
  type SubmitContext,
  type WalkContext,
} from '../provider.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { retryAfterMs } from '../upstream-error.ts';
import { operationId, pollResultOf, readAnswer } from './answer.ts';
import { cancelVideo } from './cancel.ts';
import { connectServer, type OpenAiVideosOptions } from './connection.ts';
import { openOutput } from './content.ts';
import { createCall, type Encoding, encodingAskedFor } from './create-call.ts';
import { dialectNamed } from './dialects.ts';
import { readModels } from './learned-models.ts';
import { listVideos } from './listing.ts';
import { configuredModel, DEFAULT_MODELS, withOperations } from './models.ts';
import { planVideo } from './plan-video.ts';
import { pollList } from './poll-list.ts';

/** Where nothing is promised a dialect that deduplicates keeps keys for a day, as most services do. */
const DEFAULT_KEY_LIFETIME_MS = 24 * 60 * 60_000;

/**
 * A connection to any server that speaks `/v1/videos`. An operation is `{ id }`: the upstream's id. What the adapter
 * learns (the encoding a server takes, its models, what it promises) is only a memory that saves calls; a fresh one
 * learns it again. Throws `TypeError` for a `baseUrl` that is no address.
 */
export function createOpenAiVideos(options: OpenAiVideosOptions): Provider {
  const dialect = options.dialect ?? dialectNamed('generic');
  const connection = connectServer({ ...options, dialect });
  const { clock, secrets } = connection;
  const { billsFailures } = dialect;
  /** What create and the operations on videos were found to want: many clients send the latter as JSON to all servers. */
  const learned = new Map<'create' | 'operation', Encoding>();
  let lastModels: ModelSpec[] | undefined;

  async function models(signal: AbortSignal): Promise<ModelSpec[]> {
    const answer = await connection.call('GET', '/models', signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return undefined;
    });
    const heard = answer?.status === 200 ? readModels(answer.json, dialect.videoOnly) : undefined;
    if (heard) connection.promises = heard.promises;
    const advertised = heard && heard.models.length > 0 ? heard.models : lastModels;
    if (advertised) lastModels = advertised;
    const configured = options.models?.map((model) => configuredModel(model, advertised ?? []));
    return (configured ?? advertised ?? DEFAULT_MODELS).map((model) =>
      withOperations(model, dialect.operations),
    );
  }

  /** One paid call. A refusal that asks for another encoding is remembered, and thrown: the next call is the caller's. */
  async function send(plan: Plan, context: SubmitContext): Promise<UpstreamAnswer> {
    const { reference } = context;
    const route = plan.source ? 'operation' : 'create';
    const usual: Encoding = reference && !plan.source ? 'multipart' : 'json';
    const encoding = dialect.encoding === 'auto' ? (learned.get(route) ?? usual) : dialect.encoding;
    const marker = connection.promises?.keepsMetadata ? context.idempotencyKey : undefined;
    const answer = await connection.create(createCall(plan, reference, encoding, dialect, marker), context);
    const asked = dialect.encoding === 'auto' ? encodingAskedFor(answer, encoding) : undefined;
    if (asked === undefined) return answer;
    learned.set(route, asked);
    const { code, message } = connection.failure(answer, 'submit');
    throw new ProviderError('rejected', code, message, { askAgain: true });
  }

  function pollMs({ headers }: UpstreamAnswer): number | undefined {
    const ms = Number(headers['openai-poll-after-ms'] ?? Number.NaN);
    return Number.isFinite(ms) && ms >= 0 ? ms : retryAfterMs(headers, clock.now());
  }

  async function* pollMany(
    operations: readonly Operation[],
    context: WalkContext,
  ): AsyncGenerator<PolledPage> {
    for await (const { videos, cursor, complete } of pollList(
      connection,
      operations.map(operationId),
      context,
    )) {
      const results = videos.map(({ index, video }) => ({
        index,
        result: pollResultOf(video, { billsFailures, secrets }),
      }));
      yield { results, cursor, complete };
    }
  }

  return {
    get resubmitIsSafe() {
      return connection.promises?.idempotent ?? dialect.idempotent;
    },

    get keyLifetimeMs() {
      return connection.promises?.keyLifetimeMs ?? DEFAULT_KEY_LIFETIME_MS;
    },

    get listIsComplete() {
      return connection.promises?.listComplete ?? dialect.list === 'complete';
    },

    submitTimeoutMs: connection.timeoutMs,

    models: ({ signal }) => models(signal),

    plan: (request, model) => planVideo(request, model, dialect),

    async submit(plan, context) {
      const answer = await send(plan, context);
      if (answer.status < 200 || answer.status > 299) throw connection.failure(answer, 'submit');
      const id = readAnswer(answer.json)?.id;
      if (id !== undefined) return { id };
      throw new ProviderError('ambiguous', 'no_id', 'The upstream answered without the id of a video.');
    },

    async poll(operation, { signal }) {
      const { video, answer } = await connection.retrieve(operation, signal);
      return pollResultOf(video, { billsFailures, secrets, nextMs: pollMs(answer) });
    },

    /** Only where the list is complete: else it may not even be of this account. */
    get pollMany() {
      return (connection.promises?.listComplete ?? dialect.list === 'complete') ? pollMany : undefined;
    },

    open: (operation, variant, offset, context) =>
      openOutput(connection, operation, variant, offset, context),

    cancel: (operation, context) => cancelVideo(connection, operation, context),

    get list() {
      if (dialect.list === 'none' && connection.promises?.listComplete !== true) return undefined;
      return ({ signal }: CallContext) => listVideos(connection, signal);
    },
  };
}
