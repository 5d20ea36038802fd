import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { AppError } from '../core/errors.ts';
import type { BatchItem } from './batch.ts';
import { type Column, readHeader } from './csv-columns.ts';

/** Parsed at a time: other requests have their turn in between. */
const CHUNK_BYTES = 64 * 1024;

interface Row {
  record: string[];
  info: { lines: number };
}

/**
 * A video per row under a header row of field names; an empty cell is not given. Reading ends after `limit` videos.
 * Throws `invalid_batch` for what is no table; a row with the wrong number of cells is a problem of that item.
 */
export async function readCsv(
  data: Buffer,
  limit: number,
  required: readonly string[],
): Promise<BatchItem[]> {
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true });
  const rows = Readable.from(chunksOf(data)).pipe(parser) as AsyncIterable<Row>;
  const items: BatchItem[] = [];
  let columns: Column[] | undefined;
  try {
    for await (const { record, info } of rows) {
      if (!columns) columns = readHeader(record, required);
      else if (record.some((cell) => cell.trim() !== ''))
        items.push({ ...readRow(record, columns), line: info.lines });
      if (items.length >= limit) break;
    }
  } catch (error) {
    throw error instanceof CsvError ? broken(error) : error;
  }
  if (!columns) throw new AppError('invalid_batch', { message: 'The table is empty: it has no header row.' });
  return items;
}

function* chunksOf(data: Buffer): Generator<Buffer> {
  for (let start = 0; start < data.length; start += CHUNK_BYTES)
    yield data.subarray(start, start + CHUNK_BYTES);
}

function readRow(cells: readonly string[], columns: readonly Column[]): BatchItem {
  if (cells.length !== columns.length) {
    const message = `The row has ${cells.length} cells, the header has ${columns.length}.`;
    return { value: undefined, problem: { code: 'invalid_request', message } };
  }
  const fields: [string, unknown][] = [];
  const metadata: [string, unknown][] = [];
  for (const [index, { field, key, parse: read }] of columns.entries()) {
    const cell = cells[index] ?? '';
    if (cell.trim() === '') continue;
    if (key === undefined) fields.push([field, read(cell)]);
    else metadata.push([key, cell]);
  }
  if (metadata.length > 0) fields.push(['metadata', Object.fromEntries(metadata)]);
  return { value: Object.fromEntries(fields) };
}

const REASONS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
  CSV_INVALID_CLOSING_QUOTE: 'something stands between a closing quote and the next comma',
  INVALID_OPENING_QUOTE: 'a quote stands inside a cell that does not begin with one',
};

function broken(error: CsvError): AppError {
  const { lines } = error as { lines?: unknown };
  const reason = REASONS[error.code] ?? 'it cannot be read as CSV';
  const where = typeof lines === 'number' ? ` near line ${lines}` : '';
  return new AppError('invalid_batch', {
    message: `The table is broken${where}: ${reason}.`,
    ...(typeof lines === 'number' ? { details: { line: lines } } : {}),
    cause: error,
  });
}
