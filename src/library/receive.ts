import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';

/**
 * Writes a request's body to a file, in flat memory, and hands the file to `use`; afterwards it is gone. Throws
 * `payload_too_large`, before reading where the client says how much there is; `invalid_import` when it goes away.
 */
export async function withBodyFile<Result>(
  { tempDir, limitBytes }: { tempDir: string; limitBytes: number },
  body: IncomingMessage,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const tooLarge = () =>
    new AppError('payload_too_large', {
      message: `An archive may have up to ${limitBytes} bytes (IMPORT_LIMIT).`,
    });
  if (Number(body.headers['content-length'] ?? 0) > limitBytes) throw tooLarge();
  await mkdir(tempDir, { recursive: true });
  const path = join(tempDir, `${newId('run')}.import`);
  let received = 0;
  try {
    await pipeline(
      body,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          received += chunk.length;
          if (received > limitBytes) throw tooLarge();
          yield chunk;
        }
      },
      createWriteStream(path, { flags: 'wx' }),
    ).catch((error: unknown) => {
      if (error instanceof AppError || !hasGone(error)) throw error;
      throw new AppError('invalid_import', { message: 'The archive did not arrive whole.', cause: error });
    });
    return await use(path);
  } finally {
    await rm(path, { force: true });
  }
}

function hasGone(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET';
}
