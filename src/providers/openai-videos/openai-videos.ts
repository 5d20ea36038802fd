import type { ModelSpec } from '../model.ts';
import {
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
import { findVideo } from './find.ts';
import { readModels } from './learned-models.ts';
import { configuredModel, DEFAULT_MODELS, withOperations } from './models.ts';
import { planVideo } from './plan-video.ts';
import { pollList } from './poll-list.ts';

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
  let learnedEncoding: Encoding | undefined;
  let lastModels: ModelSpec[] | undefined;

  async function models(signal: AbortSignal): Promise<ModelSpec[]> {
    const answer = await connection.call('GET', '/models', signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return undefined;
    });
    const heard = answer?.status === 200 ? readModels(answer.json, dialect.videoOnly) : undefined;
    if (heard) connection.promises = heard.promises;
    const learned = heard && heard.models.length > 0 ? heard.models : lastModels;
    if (learned) lastModels = learned;
    const configured = options.models?.map((model) => configuredModel(model, learned ?? []));
    return (configured ?? learned ?? DEFAULT_MODELS).map((model) =>
      withOperations(model, dialect.operations),
    );
  }

  async function send(plan: Plan, context: SubmitContext): Promise<UpstreamAnswer> {
    const { reference } = context;
    const preferred: Encoding = reference ? 'multipart' : 'json';
    // What create was found to want says nothing about the operations, which every client sends as JSON.
    const usual = plan.source ? 'json' : (learnedEncoding ?? preferred);
    const encoding = dialect.encoding === 'auto' ? usual : dialect.encoding;
    const call = createCall(plan, reference, encoding, dialect);
    const answer = await connection.create(call, context);
    const asked = dialect.encoding === 'auto' ? encodingAskedFor(answer, encoding) : undefined;
    if (asked === undefined) return answer;
    const other = createCall(plan, reference, asked, dialect);
    const second = await connection.create(other, context);
    if (second.status < 300 && !plan.source) learnedEncoding = asked;
    return second;
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

    cancel: (operation, { signal }) => cancelVideo(connection, operation, signal),

    find: (query, { signal }) => findVideo(connection, query, signal),
  };
}
