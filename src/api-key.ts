import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId, newSecret } from './core/ids.ts';
import { Secret } from './core/secret.ts';
import { StartError } from './start-error.ts';

/** The admin key: the setting's, else the one kept in DATA_DIR, else a new one that is kept there from now on. */
export async function resolveApiKey(
  setting: Secret | undefined,
  dataDir: string,
): Promise<{ key: string; generated: boolean }> {
  if (setting) return { key: setting.reveal(), generated: false };
  return { key: await keep(join(dataDir, 'api-key'), newSecret('sk'), 'API_KEY'), generated: true };
}

/** What cookies are signed with, likewise. */
export async function resolveAuthSecret(setting: Secret | undefined, dataDir: string): Promise<Secret> {
  if (setting) return setting;
  const fresh = `${newSecret('auth')}${newSecret('')}`;
  return new Secret(await keep(join(dataDir, 'auth-secret'), fresh, 'AUTH_SECRET'));
}

/** What the file holds; the fresh text when there is none yet, which it holds from then on. */
async function keep(file: string, text: string, setting: string): Promise<string> {
  const kept = await readKept(file, setting);
  if (kept !== undefined) return kept;
  await mkdir(dirname(file), { recursive: true });
  const fresh = `${file}.${newId('key')}`;
  await writeFile(fresh, `${text}\n`, { mode: 0o600 });
  try {
    // A link fails where a rename would replace: of several first starts one text stays.
    await link(fresh, file);
    return text;
  } catch (error) {
    const winner =
      (error as NodeJS.ErrnoException).code === 'EEXIST' ? await readKept(file, setting) : undefined;
    if (winner === undefined) throw error;
    return winner;
  } finally {
    await rm(fresh, { force: true });
  }
}

async function readKept(file: string, setting: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (text === '') throw new StartError(`${file} is empty. Remove it for a new one, or set ${setting}.`);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
