import { countRunning } from './admission.repository.ts';
import type { EngineParts } from './engine.ts';
import { slowedDown, spedUp } from './pace.ts';
import { isSlowed, lockPace, savePace } from './pace.repository.ts';
import type { Write } from './write.ts';

/** The upstream has asked for patience. */
export async function slowDown(
  parts: Pick<EngineParts, 'write'>,
  connection: string,
  waitMs: number,
): Promise<void> {
  await parts.write(async (write) => {
    const pace = await lockPace(write, connection);
    if (!pace) return;
    const { running } = await countRunning(write, connection);
    await savePace(write, connection, slowedDown(pace, running, waitMs, write.now));
  });
}

/** It took a job. Costs a look while all is well; the row is only locked when there is something to win back. */
export async function speedUp(
  parts: Pick<EngineParts, 'catalog'>,
  write: Write,
  name: string,
): Promise<void> {
  const connection = parts.catalog.connection(name);
  if (!connection || !(await isSlowed(write, name))) return;
  const pace = await lockPace(write, name);
  if (pace) await savePace(write, name, spedUp(pace, connection));
}
