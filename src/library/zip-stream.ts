import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { type ChunkPool, createChunkPool } from './chunk-pool.ts';
import type { Chunks } from '../storage/storage.ts';

/** A zip that is being written, one entry after the other. */
export interface Zip {
  /** A small entry out of memory, compressed. */
  addText(name: string, text: string, at: Date): void;
  /**
   * A file, not compressed. It is opened when its turn comes, and this resolves when it has been read: whoever waits for
   * it has one file open and a few chunks in memory. Rejects when it breaks off, or has another size than told.
   */
  addFile(
    name: string,
    file: { sizeBytes: number; at: Date; compress?: boolean },
    open: () => Promise<Chunks>,
  ): Promise<void>;
}

/** A zip to be read; whoever reads it gives back each chunk that is out of their hands. */
export interface ZipOutput {
  stream: Readable;
  release(chunk: Buffer): void;
}

/** What of a file waits to be sent, in bytes. */
const BUFFER_BYTES = 64 * 1024;

/**
 * A zip as a stream, fed while it is being read and no faster. When the feeding fails the stream is destroyed: its reader
 * sees a download that broke off, never a short zip. When the reader goes away, what is open is closed and the feeding
 * ends with an error, which `onError` is told as `gone`.
 */
export function streamZip(
  feed: (zip: Zip) => Promise<void>,
  onError: (error: unknown, gone: boolean) => void,
): ZipOutput {
  const pool = createChunkPool();
  const file = new ZipFile();
  const output = file.outputStream as unknown as Readable;
  /** What it broke off for, and who waits to hear of it. */
  let broken: { error: unknown } | undefined;
  const waiting = new Set<(error: unknown) => void>();
  let source: Readable | undefined;
  let isWhole = false;

  function fail(error: unknown): void {
    if (broken) return;
    broken = { error };
    for (const reject of waiting) reject(error);
    source?.destroy();
    output.destroy(error as Error);
  }
  file.on('error', fail);
  output.once('end', () => (isWhole = true));
  output.once('close', () => {
    if (!isWhole) fail(new ReaderGone());
  });
  // Whoever reads it hears of its errors; without a listener of ours one more would end the process.
  output.on('error', () => {});

  const zip: Zip = {
    addText(name, text, at) {
      if (broken) throw broken.error;
      file.addBuffer(Buffer.from(text), name, { mtime: at });
    },
    addFile(name, { sizeBytes, at, compress = false }, open) {
      return new Promise((resolve, reject) => {
        if (broken) return reject(broken.error as Error);
        waiting.add(reject);
        const options = { mtime: at, compress, size: sizeBytes };
        file.addReadStreamLazy(name, options, async (give) => {
          try {
            const chunks = await open();
            if (broken) return await closeUnread(chunks);
            const body = bodyOf(chunks, compress ? undefined : pool);
            source = body;
            body.once('error', fail);
            body.once('close', () => {
              waiting.delete(reject);
              if (!body.readableEnded) void closeUnread(chunks);
              resolve();
            });
            return give(null, body);
          } catch (error) {
            return fail(error);
          }
        });
      });
    },
  };
  feed(zip)
    .then(() => file.end())
    .catch((error: unknown) => {
      fail(error);
      onError(error, error instanceof ReaderGone);
    });
  return { stream: output, release: (chunk) => pool.release(chunk) };
}

/** The reader has gone away: nobody's fault. */
class ReaderGone extends Error {
  override readonly message = 'the reader of the zip has gone';
}

function bodyOf(chunks: Chunks, pool: ChunkPool | undefined): Readable {
  return Readable.from(copies(chunks, pool), { objectMode: false, highWaterMark: BUFFER_BYTES });
}

/** What was opened and never read is closed by beginning to: a generator that has not begun has no end to run. */
async function closeUnread(chunks: Chunks): Promise<void> {
  try {
    const reading = chunks[Symbol.asyncIterator]();
    await reading.next();
    await reading.return?.();
  } catch {
    // It was destroyed while it was being read, and is closed.
  }
}

/** Storage uses a chunk's memory again; what waits in a stream needs memory of its own. */
async function* copies(chunks: Chunks, pool: ChunkPool | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield pool ? pool.copy(chunk) : Buffer.from(chunk);
}
