import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { RateLimit } from '../http/rate-limit.ts';
import { type Authenticate, callerOf } from './authenticate.ts';
import { type Needed, requireNeeded } from './principal.ts';

/** The hook that stands before every guarded route. */
export type Guard = onRequestHookHandler;

/**
 * The guard of every route: who it is, whether there has not been too much of it, and whether it may do this. No promise
 * where none is needed.
 */
export function createGuard(
  authenticate: Authenticate,
  limit: RateLimit,
  scopeFor: (request: FastifyRequest) => Needed = scopeOf,
): Guard {
  const count = (request: FastifyRequest, reply: FastifyReply) => limit(callerOf(request), request, reply);

  return (request, reply, done) => {
    try {
      const resolving = authenticate(request);
      const counting = resolving ? resolving.then(() => count(request, reply)) : count(request, reply);
      if (counting) {
        return void counting
          .then(() => requireNeeded(callerOf(request), scopeFor(request)))
          .then(() => done(), done);
      }
      requireNeeded(callerOf(request), scopeFor(request));
    } catch (error) {
      return done(error as Error);
    }
    return done();
  };
}

/** What a route needs where it does not say so itself: looking is reading, everything else is writing. */
function scopeOf({ method, routeOptions }: FastifyRequest): Needed {
  return (
    routeOptions.config.scope ?? (method === 'GET' || method === 'HEAD' ? 'videos:read' : 'videos:write')
  );
}
