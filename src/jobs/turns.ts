/** What one person asked for in one name with one key on one connection, in the order of its turn. */
export interface Lane {
  /** Whom it is fair to: the person who asked, else the owner. */
  person: string;
  /** How many videos the person has in work on this connection. */
  inWork: number;
  /** When a video of the person was last admitted to this connection, in ms; 0: never. */
  servedAt: number;
  /** The first that wait, by priority, then age. */
  waiting: readonly Waiting[];
  /** More may wait behind those. */
  isCut: boolean;
  /** The limits on videos in work that it counts against; names of `room`. */
  limits: readonly string[];
}

export interface Waiting {
  id: string;
  priority: number;
  /** In ms. */
  createdAt: number;
}

interface Place {
  lane: Lane;
  /** How many of the lane were chosen. */
  taken: number;
}

interface Queue {
  inWork: number;
  servedAt: number;
  places: Place[];
  /** What is the person's next; `unseen` behind a cut; undefined: nothing that may go. */
  head: { place: Place; waiting: Waiting } | 'unseen' | undefined;
}

/**
 * Whose turn it is, `count` times: those with the fewest in work go first, counting those chosen before; then those who
 * have waited longest for a turn; then the older video. Of one person, by priority, then age: a priority moves no other
 * person. `room` says how many more may be in work for each limit; what one limit holds back keeps no other from its turn.
 * Undefined when it depends on what waits behind a lane that is cut.
 */
export function chooseTurns(
  lanes: readonly Lane[],
  count: number,
  room: ReadonlyMap<string, number> = new Map(),
): string[] | undefined {
  const left = new Map(room);
  const queues = byPerson(lanes);
  for (const queue of queues) queue.head = headOf(queue, left);
  const chosen: string[] = [];
  while (chosen.length < count) {
    const first = firstOf(queues);
    if (!first?.head) return chosen;
    // What cannot be seen may be older, or of a higher priority, than what can.
    if (first.head === 'unseen') return undefined;
    const { place, waiting } = first.head;
    chosen.push(waiting.id);
    place.taken += 1;
    first.inWork += 1;
    const { limits } = place.lane;
    for (const limit of limits) left.set(limit, roomOf(left, limit) - 1);
    const isFull = limits.some((limit) => roomOf(left, limit) <= 0);
    for (const queue of isFull ? queues : [first]) queue.head = headOf(queue, left);
  }
  return chosen;
}

function byPerson(lanes: readonly Lane[]): Queue[] {
  const queues = new Map<string, Queue>();
  for (const lane of lanes) {
    const { person, inWork, servedAt } = lane;
    const queue = queues.get(person) ?? { inWork, servedAt, places: [], head: undefined };
    queue.places.push({ lane, taken: 0 });
    queues.set(person, queue);
  }
  return [...queues.values()];
}

function headOf({ places }: Queue, left: ReadonlyMap<string, number>): Queue['head'] {
  let head: Exclude<Queue['head'], 'unseen'>;
  for (const place of places) {
    const { lane, taken } = place;
    if (lane.limits.some((limit) => roomOf(left, limit) <= 0)) continue;
    const waiting = lane.waiting[taken];
    if (waiting && (!head || isBefore(waiting, head.waiting))) head = { place, waiting };
    if (!waiting && lane.isCut) return 'unseen';
  }
  return head;
}

function firstOf(queues: readonly Queue[]): Queue | undefined {
  let first: Queue | undefined;
  for (const queue of queues) {
    if (queue.head && (!first || compare(queue, first) < 0)) first = queue;
  }
  return first;
}

function compare(a: Queue, b: Queue): number {
  return a.inWork - b.inWork || a.servedAt - b.servedAt || compareHeads(a.head, b.head);
}

function compareHeads(a: Queue['head'], b: Queue['head']): number {
  if (!a || a === 'unseen') return -1;
  if (!b || b === 'unseen') return 1;
  return a.waiting.createdAt - b.waiting.createdAt || (a.waiting.id < b.waiting.id ? -1 : 1);
}

function isBefore(a: Waiting, b: Waiting): boolean {
  const compared = b.priority - a.priority || a.createdAt - b.createdAt;
  return compared < 0 || (compared === 0 && a.id < b.id);
}

function roomOf(left: ReadonlyMap<string, number>, limit: string): number {
  return left.get(limit) ?? Infinity;
}
