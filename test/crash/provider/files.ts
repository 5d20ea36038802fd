import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMedia } from '../../../src/media/media.ts';
import { sliceFor } from '../../../src/providers/simulator/send-content.ts';
import { renderClip } from '../../../src/providers/simulator/render.ts';
import type { Made, Rules } from './rules.ts';

/** The files of videos: real clips, each with a box at its end that says whose it is, in two encodings of one length. */
export interface Files {
  send(video: Made, rules: Rules, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** The hashes of both encodings. */
  hashesOf(video: Made): Promise<string[]>;
  remove(): Promise<void>;
}

type Encoding = 'a' | 'b';

const FILE_BYTES = 128 * 1024;
/** The clip that every video begins with: small, since each one is checked and pictured by the product. */
const CLIP = { prompt: 'a scenario', width: 64, height: 64, seconds: 1 };

export async function openFiles(): Promise<Files> {
  const dir = await mkdtemp(join(tmpdir(), 'sora-crash-provider-'));
  const media = createMedia({ path: process.env['PATH'] ?? '' });
  const file = join(dir, 'clip.mp4');
  const rendered = renderClip(media, CLIP, file).then(() => readFile(file));
  const downloads = new Map<string, number>();

  /** Both encodings differ in every line behind the clip, so that a file put together of both is neither. */
  async function bytesOf({ id, prompt }: Pick<Made, 'id' | 'prompt'>, encoding: Encoding): Promise<Buffer> {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(FILE_BYTES + head.length);
    head.write('free', 4, 'latin1');
    return Buffer.concat([await rendered, head, Buffer.alloc(FILE_BYTES, `${encoding} ${id} ${prompt}\n`)]);
  }

  async function send(video: Made, rules: Rules, request: IncomingMessage, response: ServerResponse) {
    const count = (downloads.get(video.id) ?? 0) + 1;
    downloads.set(video.id, count);
    const encoding: Encoding = rules.replacesFiles && count > 1 ? 'b' : 'a';
    const bytes = await bytesOf(video, encoding);
    const etag = `"${encoding}"`;
    const validator = request.headers['if-range'];
    const range = validator === undefined || validator === etag ? request.headers.range : undefined;
    const slice = sliceFor(range, bytes.length);
    const isPart = slice !== undefined && slice !== 'unsatisfiable';
    const { start, end } = isPart ? slice : { start: 0, end: bytes.length - 1 };
    response.writeHead(isPart ? 206 : 200, {
      'content-type': 'video/mp4',
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(rules.etags ? { etag } : {}),
      ...(isPart ? { 'content-range': `bytes ${start}-${end}/${bytes.length}` } : {}),
    });
    if (!rules.replacesFiles || count > 1) return void response.end(bytes.subarray(start, end + 1));
    // In the box of the encoding, so that some of both would be in a file that is put together.
    response.write(bytes.subarray(0, bytes.length - FILE_BYTES / 2), () =>
      setTimeout(() => response.destroy(), 200),
    );
  }

  return {
    send,
    hashesOf: async (video) =>
      Promise.all(
        (['a', 'b'] as const).map(async (encoding) =>
          createHash('sha256')
            .update(await bytesOf(video, encoding))
            .digest('hex'),
        ),
      ),
    async remove() {
      media.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
