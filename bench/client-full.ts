import autocannon from 'autocannon';
import type { LoadOptions } from './load.ts';

/** Asks as fast as answers come. */
async function run(options: LoadOptions): Promise<void> {
  const { url, method = 'GET', headers = {}, body, paths, connections, durationSeconds } = options;
  const result = await autocannon({
    url,
    method,
    headers,
    connections,
    duration: durationSeconds,
    ...(body === undefined ? {} : { body }),
    ...(paths === undefined ? {} : { requests: paths.map((path) => ({ path })) }),
  });
  const { requests, duration, latency, non2xx, errors, timeouts } = result;
  process.send?.(
    {
      requests: requests.total,
      perSecond: requests.total / duration,
      latencyMs: { p50: latency.p50, p99: latency.p99, max: latency.max },
      failures: non2xx + errors + timeouts,
    },
    () => process.exit(0),
  );
}

process.once('message', (message) => void run(message as LoadOptions));
