import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp } from 'node:fs/promises';

export const ADMIN_KEY = 'admin-key-for-tests';

/** A DATA_DIR of its own, and the settings that tests share: at once, on a free port, without limits. */
export async function testSettings(env: Record<string, string>): Promise<{
  dataDir: string;
  settings: Record<string, string | undefined>;
}> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sora-test-'));
  const settings = {
    API_KEY: ADMIN_KEY,
    DATA_DIR: dataDir,
    SIMULATOR_SPEED: '0',
    CREATE_LIMIT_MAX: '100000',
    RATE_LIMIT_MAX: '100000',
    PATH: process.env['PATH'],
    PORT: '0',
    ...env,
  };
  return { dataDir, settings };
}
