import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId, newSecret } from './core/ids.ts';
import type { Secret } from './core/secret.ts';
import { StartError } from './start-error.ts';

/** The admin key: the setting's, else the one kept in DATA_DIR, else a new one that is kept there from now on. */
export async function resolveApiKey(
  setting: Secret | undefined,
  dataDir: string,
): Promise<{ key: string; generated: boolean }> {
  if (setting) return { key: setting.reveal(), generated: false };
  const file = join(dataDir, 'api-key');
  const kept = await readKept(file);
  if (kept !== undefined) return { key: kept, generated: true };
  const key = newSecret('sk');
  await mkdir(dirname(file), { recursive: true });
  const fresh = `${file}.${newId('key')}`;
  await writeFile(fresh, `${key}\n`, { mode: 0o600 });
  try {
    // A link fails where a rename would replace: of several first starts one key stays.
    await link(fresh, file);
    return { key, generated: true };
  } catch (error) {
    const winner = (error as NodeJS.ErrnoException).code === 'EEXIST' ? await readKept(file) : undefined;
    if (winner === undefined) throw error;
    return { key: winner, generated: true };
  } finally {
    await rm(fresh, { force: true });
  }
}

async function readKept(file: string): Promise<string | undefined> {
  try {
    const key = (await readFile(file, 'utf8')).trim();
    if (key === '') throw new StartError(`${file} is empty. Remove it for a new key, or set API_KEY.`);
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
