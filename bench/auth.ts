import { pino } from 'pino';
import { Client } from 'undici';
import { createAuthenticate } from '../src/accounts/authenticate.ts';
import { createGuard } from '../src/accounts/guard.ts';
import { createKeyUse } from '../src/accounts/keys-use.ts';
import { systemClock as clock } from '../src/core/clock.ts';
import { openDatabase } from '../src/database/open.ts';
import { silentLog as log } from '../src/database/silent-log.ts';
import { createAttemptLimit } from '../src/http/rate-limit-attempts.ts';
import { createMemoryCount } from '../src/http/rate-limit-count.ts';
import { createRateLimit } from '../src/http/rate-limit.ts';
import { createServer } from '../src/http/server.ts';
import { AUTHORIZED, startBenchApp } from './bench-app.ts';
import { runLoad } from './load.ts';
import { freePort } from './ports.ts';
import { type BenchmarkOptions, median, perSecond, type Report } from './report.ts';

const GOAL_MS = 0.3;
const SIDES = ['open', 'guarded'] as const;
const BLOCK = 200;
const CONNECTIONS = 32;
const MAX = 1_000_000_000;

/** What the guard costs: one route with and without it, on one server, with a key that is in the database. */
export default async function auth({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const bench = await startBenchApp(folder);
  const db = openDatabase({
    url: bench.databaseUrl,
    maxConnections: 2,
    log,
    slowQueryMs: 1000,
    applicationName: 'bench',
  });
  const address = await serve(db);
  const client = new Client(address.url);
  const latency: Record<(typeof SIDES)[number], number[]> = { open: [], guarded: [] };
  const rates: Record<(typeof SIDES)[number], number[]> = { open: [], guarded: [] };

  // One request after the other, in turns; the first round warms up.
  for (let round = 0; round <= (quick ? 10 : 50); round += 1) {
    for (const side of SIDES) {
      for (let n = 0; n < BLOCK; n += 1) {
        const before = performance.now();
        const { body } = await client.request({ path: `/${side}`, method: 'GET', headers: AUTHORIZED });
        await body.dump();
        if (round > 0) latency[side].push(performance.now() - before);
      }
    }
  }
  for (let round = 0; round <= (quick ? 1 : 6); round += 1) {
    for (const side of SIDES) {
      const how = { connections: CONNECTIONS, durationSeconds: 1, headers: AUTHORIZED };
      const load = await runLoad({ url: `${address.url}/${side}`, ...how });
      if (round > 0) rates[side].push(load.perSecond);
    }
  }
  await client.close();
  await address.close();
  await db.destroy();
  await bench.stop();

  const added = median(latency.guarded) - median(latency.open);
  return {
    rows: [
      {
        what: 'auth, added to a request at the median',
        measured: `${added.toFixed(3)} ms`,
        reference: `${median(latency.open).toFixed(3)} ms without a guard`,
        goal: `< ${GOAL_MS} ms`,
        isMet: added < GOAL_MS,
      },
      {
        what: 'auth, requests at full load',
        measured: perSecond(median(rates.guarded)),
        reference: `${perSecond(median(rates.open))} without a guard`,
        ratio: median(rates.guarded) / median(rates.open),
      },
    ],
  };
}

async function serve(db: ReturnType<typeof openDatabase>) {
  const logger = pino({ level: 'silent' });
  const server = await createServer({ logger, bodyLimitBytes: 1024, fileLimitBytes: 1024 });
  const count = createMemoryCount(clock);
  const attempts = createAttemptLimit(count, MAX);
  const authenticate = createAuthenticate({ db, clock, attempts, use: createKeyUse({ db, clock, log }) });
  const limit = { count, name: 'all', max: MAX, userMax: MAX, windowMs: 60_000, what: 'requests' };
  const answer = () => ({ success: true });
  server.get('/open', answer);
  server.get('/guarded', { onRequest: createGuard(authenticate, createRateLimit(limit)) }, answer);
  const url = await server.listen({ host: '127.0.0.1', port: await freePort() });
  return { url, close: () => server.close() };
}
