import type { Kysely } from 'kysely';
import { systemClock } from '../core/clock.ts';
import type { DB } from '../database/schema.ts';
import type { EventPage, EventRecord } from './event.ts';
import { listBatchEvents, lookAtLog } from './events.repository.ts';
import { createSettled } from './settled.ts';

/**
 * Events of a batch and of its jobs from behind an event's id, for those who go on from the last one: they miss nothing and get
 * nothing twice, since a page ends where an open transaction may still put an event.
 */
export type FollowBatch = (ownerId: string, batchId: string, page: EventPage) => Promise<EventRecord[]>;

export function createFollowBatch(db: Kysely<DB>): FollowBatch {
  const settled = createSettled(() => lookAtLog(db), systemClock);
  return async (ownerId, batchId, page) => {
    // Before the events are read: what is settled by then is in them.
    const known = settled.known();
    const events = await listBatchEvents(db, ownerId, batchId, page);
    if (events.every(({ id }) => id <= known)) return events;
    return listBatchEvents(db, ownerId, batchId, { ...page, upTo: await settled.find() });
  };
}
