import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId, newSecret } from './core/ids.ts';
import type { Secret } from './core/secret.ts';

/** The admin key: the setting's, else the one kept in DATA_DIR, else a new one that is kept there from now on. */
export async function resolveApiKey(
  setting: Secret | undefined,
  dataDir: string,
): Promise<{ key: string; generated: boolean }> {
  if (setting) return { key: setting.reveal(), generated: false };
  const file = join(dataDir, 'api-key');
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (kept !== '') return { key: kept, generated: true };
  const key = newSecret('sk');
  await mkdir(dirname(file), { recursive: true });
  const fresh = `${file}.${newId('key')}`;
  await writeFile(fresh, `${key}\n`, { mode: 0o600 });
  await chmod(fresh, 0o600);
  await rename(fresh, file);
  return { key, generated: true };
}
