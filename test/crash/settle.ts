import { setTimeout as pause } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';

/** After the last stroke everything comes to its end within this, unless there is more to do than usual. */
const SETTLE_MS = 240_000;
const LOOK_MS = 500;

/** Waits until every request is answered and every job final, and what was cancelled is settled. */
export async function settle(
  fleet: Fleet,
  done: Promise<unknown>,
  say: (line: string) => void,
  patienceMs = SETTLE_MS,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  let answered = false;
  void done.finally(() => (answered = true)).catch(() => {});
  for (let round = 1; Date.now() < deadline; round += 1) {
    const [row] = await fleet.window.query<{ open: string; unsettled: string }>(
      `select count(*) filter (where finished_at is null) as open,
        count(*) filter (where cancel_outcome = 'unknown') as unsettled from jobs`,
    );
    if (answered && Number(row?.open) === 0 && Number(row?.unsettled) === 0) break;
    if (round % 20 === 0)
      say(`${row?.open} open, ${row?.unsettled} cancelled without word from the upstream`);
    await pause(LOOK_MS);
  }
  if (answered) await done;
}
