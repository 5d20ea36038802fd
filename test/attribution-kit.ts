import sharp from 'sharp';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { startUpstream, type Upstream, type UpstreamOptions } from './upstream-server.ts';

export const BODY = { prompt: 'a boat', model: 'simulator', resolution: '854x480', duration: 3 };

/** An app whose one connection is this upstream, both on the same clock. */
export async function appWithUpstream(
  options: UpstreamOptions,
  env: Record<string, string> = {},
): Promise<{ app: TestApp; upstream: Upstream }> {
  const upstream = await startUpstream(options);
  const app = await createTestApp({
    OPENAI_BASE_URL: upstream.url,
    OPENAI_MODELS: 'simulator',
    SIMULATOR: 'off',
    MAX_RUNNING: '20',
    ...env,
  });
  upstream.now = () => app.clock.now();
  return { app, upstream };
}

const STEPS = 25;

/** Lets the engine work for so long, in even steps. */
export async function workFor({ clock, settle }: TestApp, ms: number): Promise<void> {
  for (let step = 0; step < STEPS; step += 1) {
    await settle();
    await clock.advance(ms / STEPS);
  }
  await settle();
}

/** The types of a job's events, in order. */
export async function eventsOf({ db }: TestApp, jobId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('events')
    .select('type')
    .where('job_id', '=', jobId)
    .orderBy('id')
    .execute();
  return rows.map(({ type }) => type);
}

/** The upstream's ids of the videos that a job's attempts have. */
export async function operationsOf({ db }: TestApp, jobId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('operation')
    .where('job_id', '=', jobId)
    .where('operation', 'is not', null)
    .orderBy('number')
    .execute();
  return rows.map(({ operation }) => (operation as { id: string }).id);
}

/** A small picture of one colour, as a data URL. */
export async function picture(background: string): Promise<string> {
  const image = sharp({ create: { width: 64, height: 64, channels: 3, background } });
  return `data:image/png;base64,${(await image.png().toBuffer()).toString('base64')}`;
}
