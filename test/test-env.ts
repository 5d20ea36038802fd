import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdir, mkdtemp, symlink } from 'node:fs/promises';

export const ADMIN_KEY = 'admin-key-for-tests';

/** Names the folder of clips that all tests of a run share. */
export const CLIPS_VARIABLE = 'SORA_TEST_CLIPS';

/** A DATA_DIR of its own, and the settings that tests share: at once, on a free port, without limits. */
export async function testSettings(env: Record<string, string>): Promise<{
  dataDir: string;
  settings: Record<string, string | undefined>;
}> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sora-test-'));
  // Rendering a clip takes a process of its own: equal ones are rendered once in a run.
  const clips = process.env[CLIPS_VARIABLE];
  if (clips !== undefined) {
    await mkdir(join(dataDir, 'tmp'));
    await symlink(clips, join(dataDir, 'tmp', 'simulator'));
  }
  const settings = {
    API_KEY: ADMIN_KEY,
    DATA_DIR: dataDir,
    SIMULATOR_SPEED: '0',
    UNPRICED_MODELS: 'allow',
    CREATE_LIMIT_MAX: '100000',
    RATE_LIMIT_MAX: '100000',
    AUTH_FAILURES_MAX: '100000',
    PATH: process.env['PATH'],
    PORT: '0',
    ...env,
  };
  return { dataDir, settings };
}
