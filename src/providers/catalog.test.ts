import { describe, expect, it } from 'vitest';
import { createCatalog, type Connection } from './catalog.ts';
import type { ModelSpec } from './model.ts';
import type { Provider } from './provider.ts';
import { SIMULATOR_MODEL } from './simulator/simulator.ts';

const context = { signal: new AbortController().signal };

function connection(name: string, ids: string[] | Error, more: Partial<Connection> = {}): Connection {
  const models = (): Promise<ModelSpec[]> =>
    Array.isArray(ids)
      ? Promise.resolve(ids.map((id) => ({ ...SIMULATOR_MODEL, id, upstreamModel: id })))
      : Promise.reject(ids);
  const never = () => Promise.reject(new Error('not asked for here'));
  const provider: Provider = {
    models,
    plan: () => {
      throw new Error('not asked for here');
    },
    submit: never,
    poll: never,
    open: never,
    resubmitIsSafe: false,
  };
  return {
    name,
    adapter: 'test',
    provider,
    maxRunning: 1,
    maxCallsPerMinute: undefined,
    maxRetries: 3,
    ...more,
  };
}

describe('the catalogue', () => {
  it('finds models by id, by connection/id and by alias', async () => {
    const catalog = createCatalog({
      connections: [connection('one', ['veo', 'google/veo']), connection('two', ['wan'])],
      aliases: { 'sora-2': 'veo', fast: 'two/wan', lost: 'nothing' },
    });
    await catalog.refresh(context);
    expect(catalog.resolve('wan').connection.name).toBe('two');
    expect(catalog.resolve('two/wan').model.id).toBe('wan');
    expect(catalog.resolve('google/veo').connection.name).toBe('one');
    expect(catalog.resolve('sora-2')).toMatchObject({ alias: 'sora-2', model: { id: 'veo' } });
    expect(catalog.resolve('fast')).toMatchObject({ alias: 'fast', model: { id: 'wan' } });
    expect(catalog.aliases().map((entry) => entry.alias)).toEqual(['sora-2', 'fast']);
    expect(() => catalog.resolve('lost')).toThrow('nobody offers');
  });

  it('names what exists when a model does not', async () => {
    const catalog = createCatalog({
      connections: [connection('one', ['veo'])],
      aliases: { 'sora-2': 'veo' },
    });
    await catalog.refresh(context);
    const details = { models: ['veo', 'sora-2'] };
    expect(() => catalog.resolve('nope')).toThrow(
      expect.objectContaining({ code: 'model_not_found', details }) as Error,
    );
    expect(() => catalog.resolve('two/veo')).toThrow('no model');
  });

  it('gives a clashing id to the first connection and qualifies the others', async () => {
    const catalog = createCatalog({ connections: [connection('a', ['m', 'x']), connection('b', ['m'])] });
    await catalog.refresh(context);
    expect(catalog.list().map((entry) => [entry.model.id, entry.connection.name])).toEqual([
      ['m', 'a'],
      ['x', 'a'],
      ['b/m', 'b'],
    ]);
    expect(catalog.resolve('a/m').model.id).toBe('m');
    expect(catalog.resolve('b/m')).toMatchObject({ model: { id: 'b/m', upstreamModel: 'm' } });
  });

  it('lets an alias win over a model, which stays reachable through its connection', async () => {
    const catalog = createCatalog({
      connections: [connection('a', ['sora-2', 'm'])],
      aliases: { 'sora-2': 'm' },
    });
    await catalog.refresh(context);
    expect(catalog.resolve('sora-2').model.id).toBe('m');
    expect(catalog.resolve('a/sora-2').model).toMatchObject({ id: 'a/sora-2', upstreamModel: 'sora-2' });
  });

  it('takes the default model, or the first one, when none is named', async () => {
    const connections = [connection('a', ['m', 'n'])];
    const named = createCatalog({ connections, defaultModel: 'n' });
    const unnamed = createCatalog({ connections });
    expect(() => unnamed.resolve()).toThrow('No model is available');
    await Promise.all([named.refresh(context), unnamed.refresh(context)]);
    expect([named.resolve().model.id, unnamed.resolve().model.id]).toEqual(['n', 'm']);
  });

  it('keeps the former list when a refresh fails, and says so', async () => {
    const ids: string[] = ['m'];
    const flaky = connection('a', ids);
    const catalog = createCatalog({ connections: [flaky, connection('b', new Error('down'))] });
    await catalog.refresh(context);
    flaky.provider.models = () => Promise.reject(new Error('away'));
    expect(await catalog.refresh(context)).toEqual([
      { connection: 'a', models: 1, error: 'away' },
      { connection: 'b', models: 0, error: 'down' },
    ]);
    expect(catalog.resolve('m').connection.name).toBe('a');
  });

  it('lets the operator set what the provider does not say', async () => {
    const overrides = { m: { pricePerSecondMicros: 100_000 } };
    const catalog = createCatalog({ connections: [connection('a', ['m'], { overrides })] });
    await catalog.refresh(context);
    expect(catalog.resolve('m').model.pricePerSecondMicros).toBe(100_000);
    expect(catalog.connection('a')?.maxRunning).toBe(1);
    expect(catalog.connection('z')).toBeUndefined();
  });
});

it('lets a name fall back on the default model until somebody offers it or an alias names another', async () => {
  const catalogOf = async (ids: string[], more: object = {}) => {
    const catalog = createCatalog({
      connections: [connection('a', ids)],
      fallbackNames: ['sora-2'],
      ...more,
    });
    await catalog.refresh(context);
    return catalog;
  };
  const plain = await catalogOf(['one', 'two']);
  expect(plain.resolve('sora-2')).toMatchObject({ alias: 'sora-2', model: { id: 'one' } });
  expect(plain.aliases().map((entry) => entry.alias)).toEqual(['sora-2']);
  const offered = await catalogOf(['one', 'sora-2']);
  expect(offered.resolve('sora-2')).toMatchObject({ model: { id: 'sora-2' } });
  expect(offered.aliases()).toEqual([]);
  const chosen = await catalogOf(['one', 'two'], { aliases: { 'sora-2': 'two' } });
  expect(chosen.resolve('sora-2')).toMatchObject({ alias: 'sora-2', model: { id: 'two' } });
  const circular = await catalogOf(['one'], { defaultModel: 'sora-2' });
  expect(() => circular.resolve('sora-2')).toThrow('no model "sora-2"');
});
