import { crc32, createDeflate } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import sharp, { type Sharp } from 'sharp';

export type Format = 'jpeg' | 'png' | 'webp';

/** An image of two halves, red on the left and blue on the right. */
export function halves(width: number, height: number): Sharp {
  const blue = Buffer.from(
    `<svg width="${width}" height="${height}"><rect x="${width / 2}" width="${width / 2}" height="${height}" fill="#00f"/></svg>`,
  );
  return sharp({ create: { width, height, channels: 3, background: '#f00' } }).composite([{ input: blue }]);
}

export async function picture(format: Format = 'png', width = 64, height = 48): Promise<Buffer> {
  return halves(width, height).toFormat(format).toBuffer();
}

/** What a camera writes: where it was taken, and how it was held. */
export async function fromCamera(orientation: number): Promise<Buffer> {
  return halves(64, 32)
    .jpeg()
    .withMetadata({ orientation })
    .withExifMerge({
      IFD0: { Copyright: 'the secret owner' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 3230/100' },
    })
    .toBuffer();
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** A valid black PNG of any size, in grey, without ever having its pixels in memory. */
export async function blackPng(width: number, height: number): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const rows = function* () {
    const row = Buffer.alloc(width + 1);
    for (let y = 0; y < height; y += 1) yield row;
  };
  const pixels = await buffer(Readable.from(rows()).pipe(createDeflate({ level: 1 })));
  return Buffer.concat([
    SIGNATURE,
    pngChunk('IHDR', header),
    pngChunk('IDAT', pixels),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** The same PNG, saying that it is animated. */
export function animated(png: Buffer): Buffer {
  const afterHeader = SIGNATURE.length + 25;
  const control = pngChunk('acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0]));
  return Buffer.concat([png.subarray(0, afterHeader), control, png.subarray(afterHeader)]);
}

/** The red, green and blue of one pixel. */
export async function pixel(image: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(image).toColourspace('srgb').removeAlpha().raw().toBuffer({
    resolveWithObject: true,
  });
  const at = (y * info.width + x) * info.channels;
  return [...data.subarray(at, at + 3)];
}
