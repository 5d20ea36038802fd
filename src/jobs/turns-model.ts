/** A video that waits, for the tests: everything that decides its turn. */
export interface ModelJob {
  id: string;
  person: string;
  owner: string;
  key: string | null;
  priority: number;
  createdAt: number;
}

/** What stands when a round begins. */
export interface ModelState {
  inWork: ReadonlyMap<string, number>;
  servedAt: ReadonlyMap<string, number>;
  /** How many more may be in work, by `key/ID`, `team/ID` and `user/ID`. */
  room: ReadonlyMap<string, number>;
}

export function limitsOf({ person, owner, key }: Pick<ModelJob, 'person' | 'owner' | 'key'>): string[] {
  return [`key/${key}`, `team/${owner}`, `user/${person}`];
}

/** Who is next, by the words of the rule and with no thought of speed: what the tests compare with. */
export function modelTurns(jobs: readonly ModelJob[], count: number, state: ModelState): string[] {
  const inWork = new Map(state.inWork);
  const room = new Map(state.room);
  const chosen: string[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    const may = jobs.filter(
      (job) => !chosen.includes(job.id) && limitsOf(job).every((limit) => (room.get(limit) ?? Infinity) > 0),
    );
    const heads = [...new Set(may.map((job) => job.person))].flatMap((person) =>
      may
        .filter((job) => job.person === person)
        .sort((a, b) => b.priority - a.priority || byAge(a, b))
        .slice(0, 1),
    );
    const rank = (job: ModelJob, from: ReadonlyMap<string, number>) => from.get(job.person) ?? 0;
    const [next] = heads.sort(
      (a, b) =>
        rank(a, inWork) - rank(b, inWork) || rank(a, state.servedAt) - rank(b, state.servedAt) || byAge(a, b),
    );
    if (!next) break;
    chosen.push(next.id);
    inWork.set(next.person, rank(next, inWork) + 1);
    for (const limit of limitsOf(next)) room.set(limit, (room.get(limit) ?? Infinity) - 1);
  }
  return chosen;
}

function byAge(a: ModelJob, b: ModelJob): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
}
