import type { FastifyRequest } from 'fastify';
import type { AuditEntry } from './audit.repository.ts';
import { callerOf } from './authenticate.ts';
import type { Principal } from './principal.ts';

/** Who acts, and from where. */
export interface Act {
  caller: Principal;
  address: string;
}

export function actOf(request: FastifyRequest): Act {
  return { caller: callerOf(request), address: request.ip };
}

/** Who did something, as the audit log names them. */
export type Actor = Pick<AuditEntry, 'actorId' | 'credentialId' | 'address'> & { actorId: string };

export function actor({ caller: { userId, credentialId }, address }: Act): Actor {
  return { actorId: userId, credentialId, address };
}

export function actorOf(request: FastifyRequest): Actor {
  return actor(actOf(request));
}
