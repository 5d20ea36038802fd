import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadOptions } from './load.ts';
import { percentile } from './report.ts';

/** Sends at even intervals, whether or not earlier answers have come: a slow server gets no relief. */
async function run(options: LoadOptions): Promise<void> {
  const { url, headers = {}, paths = [new URL(url).pathname], rate = 1, durationSeconds } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections });
  const latencies: number[] = [];
  let failures = 0;
  const startedAt = performance.now();
  const total = rate * durationSeconds;
  const pending: Promise<void>[] = [];
  for (let sent = 0; sent < total; sent += 1) {
    while (performance.now() < startedAt + (sent * 1000) / rate) await sleep(1);
    pending.push(ask(paths[sent % paths.length] ?? '/'));
  }
  await Promise.all(pending);
  const elapsed = (performance.now() - startedAt) / 1000;
  const latencyMs = {
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    max: Math.max(...latencies),
  };
  process.send?.({ requests: total, perSecond: total / elapsed, latencyMs, failures }, () => process.exit(0));

  function ask(path: string): Promise<void> {
    const sentAt = performance.now();
    return new Promise((resolve) => {
      const call = request(new URL(path, url), { agent, headers }, (response) => {
        if (response.statusCode !== 200) failures += 1;
        response.resume().once('end', () => {
          latencies.push(performance.now() - sentAt);
          resolve();
        });
      });
      call.once('error', () => {
        failures += 1;
        resolve();
      });
      call.end();
    });
  }
}

process.once('message', (message) => void run(message as LoadOptions));
