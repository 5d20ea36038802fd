import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { placesIn, urlOf } from './embedded-places.ts';
import { readPidFile } from './embedded-postmaster.ts';

/**
 * The PostgreSQL of a DATA_DIR that a server is using right now, for a second process beside it; undefined when none
 * answers. It takes no lock: whoever uses it must bear that the server ends it.
 */
export async function findRunning(dataDir: string): Promise<string | undefined> {
  const places = placesIn(dataDir);
  const file = await readPidFile(places);
  if (!file?.ready || !file.endpoint) return undefined;
  const password = await readFile(places.passwordFile, 'utf8');
  const url = urlOf(file.endpoint, password.trim(), 'sora');
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
    return url;
  } catch {
    // Left behind by a server that has died: whoever starts the next one takes care of it.
    return undefined;
  } finally {
    await client.end().catch(() => {});
  }
}
