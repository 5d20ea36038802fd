import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { AppError } from '../core/errors.ts';
import { usdToMicros } from '../core/money.ts';
import { dayIn } from '../core/zone.ts';
import type { BillLine } from './bills.ts';

/** What providers call their columns, the best name first; letters and digits only, in lower case. */
const NAMES = {
  day: ['date', 'day', 'usagedate', 'time', 'timestamp', 'datetime', 'createdat', 'created', 'starttime'],
  amount: [
    'amountusd',
    'costusd',
    'totalusd',
    'amount',
    'cost',
    'charge',
    'total',
    'price',
    'usd',
    'amountinusd',
  ],
  model: ['model', 'modelid', 'modelname', 'sku', 'product'],
  seconds: ['seconds', 'durationseconds', 'duration', 'quantity', 'usagequantity', 'units'],
  operation: ['operationid', 'operation', 'videoid', 'requestid', 'request', 'taskid', 'generationid', 'id'],
} as const;

type Field = keyof typeof NAMES;

const REQUIRED: readonly Field[] = ['day', 'amount'];
const MAX_LINES = 200_000;
/** In one line: more is none, and the sum of many must stay a number. */
const MAX_SECONDS = 1e12;
const SHOWN_PROBLEMS = 20;
const CHUNK_BYTES = 64 * 1024;

interface Row {
  record: string[];
  info: { lines: number };
}

/**
 * The lines of a bill, and which of its columns was taken for what; the others are left out. Throws `invalid_bill` that
 * names every line at fault: a bill that is read in part would be compared wrongly.
 */
export async function readBill(
  data: Buffer,
  timeZone: string,
): Promise<{ lines: BillLine[]; columns: Partial<Record<Field, string>> }> {
  if (!isUtf8(data)) throw wrong('The bill is not UTF-8 text: save it as UTF-8.');
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true });
  const rows = Readable.from(chunksOf(data)).pipe(parser) as AsyncIterable<Row>;
  const lines: BillLine[] = [];
  const problems: { line: number; message: string }[] = [];
  let header: { places: Map<Field, number>; names: string[] } | undefined;
  try {
    for await (const { record, info } of rows) {
      if (!header) header = readHeader(record);
      else if (record.some((cell) => cell.trim() !== '')) {
        try {
          lines.push(readLine(record, info.lines, header, timeZone));
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          problems.push({ line: info.lines, message: error.message });
        }
      }
      if (lines.length > MAX_LINES) throw wrong(`A bill has at most ${MAX_LINES} lines: send it in parts.`);
    }
  } catch (error) {
    throw error instanceof CsvError ? wrong('The table is broken: it cannot be read as CSV.', error) : error;
  }
  if (!header) throw wrong('The table is empty: it has no header row.');
  if (problems.length > 0) {
    const [first] = problems;
    throw new AppError('invalid_bill', {
      message: `${problems.length} lines cannot be read; line ${first?.line}: ${first?.message}`,
      details: { lines: problems.slice(0, SHOWN_PROBLEMS) },
    });
  }
  const { places, names } = header;
  const columns = Object.fromEntries(Array.from(places, ([field, place]) => [field, names[place] ?? '']));
  return { lines, columns };
}

function* chunksOf(data: Buffer): Generator<Buffer> {
  for (let start = 0; start < data.length; start += CHUNK_BYTES)
    yield data.subarray(start, start + CHUNK_BYTES);
}

function readHeader(cells: readonly string[]): { places: Map<Field, number>; names: string[] } {
  const names = cells.map((cell) => cell.trim());
  const plain = names.map((name) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
  const places = new Map<Field, number>();
  for (const [field, known] of Object.entries(NAMES) as [Field, readonly string[]][]) {
    const name = known.find((candidate) => plain.includes(candidate));
    if (name === undefined) continue;
    if (plain.indexOf(name) !== plain.lastIndexOf(name))
      throw wrong(`The bill has the column ${name} twice.`);
    places.set(field, plain.indexOf(name));
  }
  const missing = REQUIRED.filter((field) => !places.has(field));
  if (missing.length > 0) {
    throw new AppError('invalid_bill', {
      message: `The bill lacks columns: ${missing.map((field) => `${field} (${NAMES[field].join(', ')})`).join('; ')}.`,
      details: { missing, columns: names.slice(0, 50).map((name) => name.slice(0, 60)) },
    });
  }
  return { places, names };
}

/** Throws a RangeError that says what is wrong with the line. */
function readLine(
  cells: readonly string[],
  line: number,
  { places, names }: { places: Map<Field, number>; names: string[] },
  timeZone: string,
): BillLine {
  if (cells.length !== names.length)
    throw new RangeError(`it has ${cells.length} cells, the header has ${names.length}.`);
  const text = (field: Field) => cells[places.get(field) ?? -1]?.trim() ?? '';
  if (cells.some((cell) => cell.includes('\u0000')))
    throw new RangeError('it has characters that are no text.');
  const seconds = text('seconds') === '' ? null : Number(text('seconds').replaceAll(',', ''));
  if (seconds !== null && !(Math.abs(seconds) <= MAX_SECONDS))
    throw new RangeError(`${quoted(text('seconds'))} is no quantity.`);
  return {
    line,
    day: readDay(text('day'), timeZone),
    model: text('model'),
    seconds,
    amount: readAmount(text('amount')),
    operation: text('operation') === '' ? null : text('operation').slice(0, 1000),
  };
}

/** A day, a time with its zone, a time without one (of the bill's zone), or seconds or milliseconds since 1970. */
function readDay(text: string, timeZone: string): string {
  const day = /^([1-9]\d{3}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$/.exec(text)?.[1];
  if (
    day !== undefined &&
    !Number.isNaN(Date.parse(`${day}T00:00:00Z`)) &&
    new Date(`${day}T00:00:00Z`).toISOString().slice(0, 10) === day
  )
    return day;
  const isTime = /^[1-9]\d{3}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)? ?(Z|UTC|[+-]\d{2}:?\d{2})$/.test(
    text,
  );
  const epoch = /^\d{10}$/.test(text)
    ? Number(text) * 1000
    : /^\d{13}$/.test(text)
      ? Number(text)
      : undefined;
  const at = isTime
    ? Date.parse(
        text
          .replace(' ', 'T')
          .replace(/ ?UTC$/, 'Z')
          .replace(' ', ''),
      )
    : epoch;
  if (at === undefined || Number.isNaN(at))
    throw new RangeError(
      `${quoted(text)} is no day such as 2026-11-21 and no time such as 2026-11-21T12:00:00Z.`,
    );
  return dayIn(timeZone, at);
}

/** USD as providers write it: `0.40`, `$1,234.50`, `-0.40`, `0.4 USD`. */
function readAmount(text: string): number {
  const plain = text.replace(/^(-?)\s*\$\s*/, '$1').replace(/\s*USD$/i, '');
  const digits = /^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(plain) ? plain.replaceAll(',', '') : plain;
  if (!/^-?(\d{1,9}(\.\d*)?|\.\d+)(e-\d{1,2})?$/i.test(digits))
    throw new RangeError(`${quoted(text)} is no amount of USD such as 0.40.`);
  return usdToMicros(Number(digits));
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function wrong(message: string, cause?: unknown): AppError {
  return new AppError('invalid_bill', { message, cause });
}
