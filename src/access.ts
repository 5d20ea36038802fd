import type { Kysely } from 'kysely';
import { createAuthenticate, type Authenticate, type ResolveSession } from './accounts/authenticate.ts';
import { createKeyUse } from './accounts/keys-use.ts';
import { createKeysService, type KeysService } from './accounts/keys.ts';
import { createVerifyToken } from './accounts/jwt.ts';
import type { Config } from './config.ts';
import type { Clock } from './core/clock.ts';
import type { Lifecycle } from './core/lifecycle.ts';
import type { Log } from './core/log.ts';
import type { Outbound } from './core/outbound.ts';
import { openRedis } from './core/redis.ts';
import type { Listener } from './database/notify.ts';
import type { DB } from './database/schema.ts';
import { createAttemptLimit } from './http/rate-limit-attempts.ts';
import { type Count, createMemoryCount } from './http/rate-limit-count.ts';
import { createSharedCount } from './http/rate-limit-shared.ts';
import type { Catalog } from './providers/catalog.ts';
import { type Check, optional } from './system/health.ts';

/** Who may come in, how often, and the keys to it. */
export interface Access {
  authenticate: Authenticate;
  /** What is believed of keys and tokens is looked up again. */
  forget(): void;
  keys: KeysService;
  count: Count;
  checks: Readonly<Record<string, Check>>;
}

export async function createAccess({
  config,
  db,
  clock,
  log,
  outbound,
  catalog,
  listener,
  lifecycle,
  resolveSession,
}: {
  config: Config;
  db: Kysely<DB>;
  clock: Clock;
  log: Log;
  outbound: Outbound;
  catalog: Catalog;
  listener: Listener;
  lifecycle: Lifecycle;
  resolveSession?: ResolveSession;
}): Promise<Access> {
  const { redis: redisConfig, attemptsMax } = config.http;
  const alone = createMemoryCount(clock);
  const redis = redisConfig && (await openRedis({ ...redisConfig, clock, log }));
  if (redis) lifecycle.onStop('redis', () => redis.close());
  const count = redis ? createSharedCount(redis, alone) : alone;

  const use = createKeyUse({ db, clock, log });
  lifecycle.onStop('last use of keys', () => use.flush());
  const authenticate = createAuthenticate({
    db,
    clock,
    resolveSession,
    verifyToken: config.jwt && createVerifyToken({ ...config.jwt, db, clock, log, outbound }),
    attempts: createAttemptLimit(count, attemptsMax),
    use,
  });
  listener.on('credentials', authenticate.forget);
  listener.onReconnect(authenticate.forget);
  const keys = createKeysService({
    db,
    clock,
    checkModel: (name) => void catalog.resolve(name),
    // Its own notice may take a moment to come back to this process.
    onChange: authenticate.forget,
  });
  const { forget } = authenticate;
  return { authenticate, forget, keys, count, checks: redis ? { redis: optional(() => redis.check()) } : {} };
}
