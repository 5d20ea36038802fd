import type { FastifyRequest } from 'fastify';
import type { AuditEntry } from './audit.repository.ts';
import { callerOf } from './authenticate.ts';

/** Who did something, as the audit log names them. */
export type Actor = Pick<AuditEntry, 'actorId' | 'credentialId' | 'address'> & { actorId: string };

export function actorOf(request: FastifyRequest): Actor {
  const { userId, credentialId } = callerOf(request);
  return { actorId: userId, credentialId, address: request.ip };
}
