import { writePlaceholder } from './pictures.ts';

/** Runs in a child: writes a poster for a video that nothing here could decode. */
export async function run({ poster }: { poster: string }): Promise<null> {
  await writePlaceholder(poster, { width: 640, height: 360 });
  return null;
}
