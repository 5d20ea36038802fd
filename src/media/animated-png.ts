import { open } from 'node:fs/promises';

const SIGNATURE_BYTES = 8;
/** Length, type and checksum of a chunk. */
const FRAME_BYTES = 12;
/** More chunks than any camera or editor writes before the picture itself. */
const MOST_CHUNKS = 1000;

/** Whether a PNG says that it is animated (`acTL`), which decoders that know nothing of it pass over. */
export async function isAnimatedPng(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const header = Buffer.alloc(8);
    let position = SIGNATURE_BYTES;
    for (let chunks = 0; chunks < MOST_CHUNKS; chunks += 1) {
      const { bytesRead } = await file.read(header, 0, header.length, position);
      const type = header.toString('latin1', 4, 8);
      if (bytesRead < header.length || type === 'IDAT') return false;
      if (type === 'acTL') return true;
      position += header.readUInt32BE(0) + FRAME_BYTES;
    }
    return false;
  } finally {
    await file.close();
  }
}
