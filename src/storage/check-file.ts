import { stat } from 'node:fs/promises';

/** The size of a file in bytes. Throws when it is not the one expected: somebody else wrote to it, or it was cut off. */
export async function checkSize(file: string, expected: number | undefined): Promise<number> {
  const { size } = await stat(file);
  if (expected !== undefined && size !== expected) {
    throw new Error(`a file to be stored has ${size} bytes instead of ${expected}`);
  }
  return size;
}
