import { AppError, errorText } from '../core/errors.ts';
import type { Micros } from '../core/money.ts';
import type { ModelSpec } from './model.ts';
import type { CallContext, Provider } from './provider.ts';

/**
 * Which risk to take when nobody knows whether the provider took a job: none and `ask` an operator, `resend` (it may be
 * paid for twice), or `fail` (it may be paid for and lost).
 */
export type WhenUnconfirmed = 'ask' | 'resend' | 'fail';

/** A configured provider account. */
export interface Connection {
  /** Unique; letters, digits, `-` and `_`. */
  name: string;
  /** Which adapter speaks to it: `simulator`, `openai-videos`, … */
  adapter: string;
  provider: Provider;
  /** How many videos may be under way there at once. */
  maxRunning: number;
  /** How many paid calls may be made there in a minute; undefined: as many as may be. */
  maxCallsPerMinute: number | undefined;
  /** How often a job is offered again when the upstream surely did not take it; throttling is not counted. */
  maxRetries: number;
  /** What to do about a paid call of which nothing can be found out; `ask` an operator when left out. */
  whenUnconfirmed?: WhenUnconfirmed;
  /** What a second costs of its models that name no price. */
  pricePerSecondMicros?: Micros;
  /** What the operator knows better than the provider, by the provider's own model id: prices above all. */
  overrides?: Readonly<Record<string, Partial<Omit<ModelSpec, 'id' | 'upstreamModel'>>>>;
}

/** One model as clients may ask for it; `model.id` is unique over all connections. */
export interface CatalogEntry {
  connection: Connection;
  model: ModelSpec;
  /** The alias that was asked for, when it was one. */
  alias?: string;
}

export interface RefreshResult {
  connection: string;
  models: number;
  /** Why the list could not be had; the former one stays in force. For logs. */
  error?: string;
}

export interface Catalog {
  readonly connections: readonly Connection[];
  connection(name: string): Connection | undefined;
  /** Asks every connection for its models, all at once. Never rejects. Calling it now and then is the caller's job. */
  refresh(context: CallContext): Promise<RefreshResult[]>;
  /** Every model, in the order of the connections; aliases are not repeated. */
  list(): CatalogEntry[];
  /** Aliases whose target exists now, with it. */
  aliases(): CatalogEntry[];
  /** What a request without a model gets; undefined when nothing is on offer. */
  standard(): CatalogEntry | undefined;
  /**
   * The model for a name: an alias, a model id, or `connection/model`; the default model when no name is given.
   * Throws `model_not_found` with the names in `details.models`.
   */
  resolve(name?: string): CatalogEntry;
}

export interface CatalogOptions {
  /** In order of preference: where two offer the same model id, the first one gets the bare name. */
  connections: readonly Connection[];
  /** Other names for models, one level deep: `{ 'sora-2': 'veo-3.1-fast' }`. An alias wins over a model's own name. */
  aliases?: Readonly<Record<string, string>>;
  /** Used when a request names no model; the first model of the first connection when left out. */
  defaultModel?: string;
  /** Names that stand for the default model as long as nobody offers them and no alias says otherwise. */
  fallbackNames?: readonly string[];
}

function priceOf({ pricePerSecondMicros }: Connection): Pick<Connection, 'pricePerSecondMicros'> {
  return pricePerSecondMicros === undefined ? {} : { pricePerSecondMicros };
}

/** What an entry can be called: the alias it went by, the model's name, and that with its connection's. */
export function namesOf({ alias, model, connection }: CatalogEntry): string[] {
  return [...(alias === undefined ? [] : [alias]), model.id, `${connection.name}/${model.id}`];
}

/** Knows what can be asked for and who makes it. Empty until the first `refresh`. */
export function createCatalog(options: CatalogOptions): Catalog {
  const { connections } = options;
  const aliases = new Map(Object.entries(options.aliases ?? {}));
  const offers = new Map<string, ModelSpec[]>();
  let names = new Map<string, CatalogEntry>();

  async function refreshOne(connection: Connection, context: CallContext): Promise<RefreshResult> {
    try {
      const models = await connection.provider.models(context);
      offers.set(
        connection.name,
        models.map((model) => ({ ...priceOf(connection), ...model, ...connection.overrides?.[model.id] })),
      );
      return { connection: connection.name, models: models.length };
    } catch (error) {
      const models = offers.get(connection.name)?.length ?? 0;
      return { connection: connection.name, models, error: errorText(error) };
    }
  }

  function find(name: string): CatalogEntry | undefined {
    const direct = names.get(name);
    if (direct) return direct;
    const slash = name.indexOf('/');
    const [owner, id] = [name.slice(0, slash), name.slice(slash + 1)];
    if (slash < 1 || !offers.get(owner)?.some((model) => model.id === id)) return undefined;
    const bare = names.get(id);
    return bare?.connection.name === owner ? bare : undefined;
  }

  /** What a name means today: an alias's target, a model, or the default model for a name to fall back on. */
  function lookUp(name: string): CatalogEntry | undefined {
    const target = aliases.get(name);
    const entry = find(target ?? name);
    if (entry) return target === undefined ? entry : { ...entry, alias: name };
    const isFallback = target === undefined && options.fallbackNames?.includes(name) === true;
    const standard = isFallback && name !== options.defaultModel ? findStandard() : undefined;
    return standard && { ...standard, alias: name };
  }

  function findStandard(): CatalogEntry | undefined {
    if (options.defaultModel !== undefined) return lookUp(options.defaultModel);
    const [first] = names.values();
    return first;
  }

  function aliasEntries(): CatalogEntry[] {
    return [...new Set([...aliases.keys(), ...(options.fallbackNames ?? [])])].flatMap((name) => {
      const entry = lookUp(name);
      return entry?.alias === name ? [entry] : [];
    });
  }

  function resolve(name?: string): CatalogEntry {
    const entry = name === undefined ? findStandard() : lookUp(name);
    if (entry) return entry;
    const wanted = name ?? options.defaultModel;
    if (wanted === undefined) {
      throw new AppError('model_not_found', { message: 'No model is available.', details: { models: [] } });
    }
    const target = aliases.get(wanted);
    const why = target === undefined ? '' : ` It stands for "${target}", which nobody offers now.`;
    throw new AppError('model_not_found', {
      message: `There is no model "${wanted}".${why}`,
      param: 'model',
      details: { models: [...names.keys(), ...aliasEntries().map((entry) => entry.alias)] },
    });
  }

  return {
    connections,
    connection: (name) => connections.find((connection) => connection.name === name),
    async refresh(context) {
      const results = await Promise.all(connections.map((connection) => refreshOne(connection, context)));
      names = nameModels(connections, offers, aliases);
      return results;
    },
    list: () => [...names.values()],
    aliases: aliasEntries,
    standard: findStandard,
    resolve,
  };
}

/**
 * Gives every model its unique name: its own id for the first connection that has it, `connection/id` for the others and
 * for those whose id is an alias.
 */
function nameModels(
  connections: readonly Connection[],
  offers: ReadonlyMap<string, ModelSpec[]>,
  taken: ReadonlyMap<string, unknown>,
): Map<string, CatalogEntry> {
  const owners = new Map<string, string>();
  for (const { name } of connections) {
    for (const { id } of offers.get(name) ?? []) if (!owners.has(id) && !taken.has(id)) owners.set(id, name);
  }
  const names = new Map<string, CatalogEntry>();
  for (const connection of connections) {
    for (const model of offers.get(connection.name) ?? []) {
      const id = owners.get(model.id) === connection.name ? model.id : `${connection.name}/${model.id}`;
      if (!names.has(id)) names.set(id, { connection, model: { ...model, id } });
    }
  }
  return names;
}
