import { join } from 'node:path';
import type { Config, ConnectionConfig } from './config.ts';
import type { Clock } from './core/clock.ts';
import { usdToMicros } from './core/money.ts';
import type { Outbound } from './core/outbound.ts';
import type { Media } from './media/media.ts';
import type { Connection } from './providers/catalog.ts';
import { dialectNamed } from './providers/openai-videos/dialects.ts';
import { createOpenAiVideos } from './providers/openai-videos/openai-videos.ts';
import { renderClip } from './providers/simulator/render.ts';
import { createSimulator } from './providers/simulator/simulator.ts';

interface Parts {
  clock: Clock;
  media: Media;
  outbound: Outbound;
}

/** Every connection of the configuration, in order of preference: the simulator comes last. */
export function createConnections(config: Config, parts: Parts): Connection[] {
  const servers = config.connections.map((connection) => toServer(connection, parts));
  return config.simulator.enabled ? [...servers, toSimulator(config, parts)] : servers;
}

function toServer(connection: ConnectionConfig, { clock, outbound }: Parts): Connection {
  const { baseUrl, apiKey, timeoutMs } = connection;
  const provider = createOpenAiVideos({
    baseUrl,
    apiKey,
    timeoutMs,
    dialect: dialectNamed(connection.dialect),
    models: connection.models.length > 0 ? connection.models : undefined,
    outbound,
    clock,
  });
  const { name, maxRunning, maxCallsPerMinute, maxRetries, whenUnconfirmed, pricePerSecondUsd } = connection;
  const price =
    pricePerSecondUsd === undefined ? {} : { pricePerSecondMicros: usdToMicros(pricePerSecondUsd) };
  const limits = { maxRunning, maxCallsPerMinute, maxRetries, whenUnconfirmed };
  return { name, adapter: 'openai-videos', provider, ...limits, ...price };
}

function toSimulator(config: Config, { clock, media }: Parts): Connection {
  const { speed, faults, maxRunning } = config.simulator;
  const provider = createSimulator({
    clock,
    speed,
    faults,
    cacheDir: join(config.dataDir, 'tmp', 'simulator'),
    render: async (clip, file) => void (await renderClip(media, clip, file)),
  });
  return {
    name: 'simulator',
    adapter: 'simulator',
    provider,
    maxRunning,
    maxCallsPerMinute: undefined,
    maxRetries: 3,
  };
}
