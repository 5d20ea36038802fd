import { AppError } from '../core/errors.ts';
import { CreateBody } from '../jobs/jobs.schemas.ts';

/** Reads a cell that is not empty. Numbers that are none stay texts, and are refused with the field's name. */
export type Column = { field: string; key?: string; parse(cell: string): unknown };

/** What a table calls otherwise. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  aspect_ratio: 'aspectRatio',
  input_reference: 'inputReference',
  webhook_url: 'webhookUrl',
};

const METADATA = 'metadata.';
const FIELDS = Object.entries(CreateBody.properties as Record<string, { type?: string }>)
  .map(([name, { type }]) => ({ name, type }))
  .filter(({ name }) => !Object.hasOwn(OTHER_NAMES, name));

/** Every column there is, for people. */
export const KNOWN_COLUMNS = [
  ...FIELDS.filter(({ type }) => type !== 'object').map(({ name }) => name),
  `${METADATA}NAME`,
];

/**
 * What the columns of a table mean. Throws `invalid_batch` that names the ones that mean nothing, stand twice, or are
 * missing.
 */
export function readHeader(cells: readonly string[], required: readonly string[]): Column[] {
  const names = cells.map((cell) => cell.trim());
  const columns = names.map(columnOf);
  const unknown = names.filter((_, index) => columns[index] === undefined);
  if (unknown.length > 0) throw wrong(`The table has columns that do not exist: ${quoted(unknown)}`, unknown);
  const known = columns.filter((column) => column !== undefined);
  const places = known.map(({ field, key }) => (key === undefined ? field : METADATA + key));
  const seen = new Set<string>();
  const twice = places.filter((place) => seen.size === seen.add(place).size);
  if (twice.length > 0) throw wrong(`The table has columns twice: ${quoted(twice)}`, twice);
  const missing = required.filter((name) => !seen.has(name));
  if (missing.length > 0) throw wrong(`The table lacks columns: ${quoted(missing)}`, missing);
  return known;
}

function columnOf(name: string): Column | undefined {
  if (name.startsWith(METADATA) && name.length > METADATA.length) {
    return { field: 'metadata', key: name.slice(METADATA.length), parse: (cell) => cell };
  }
  const field = OTHER_NAMES[name] ?? name;
  const type = FIELDS.find((known) => known.name === field)?.type;
  switch (type) {
    case 'string':
      return { field, parse: (cell) => cell };
    case 'integer':
    case 'number':
      return { field, parse: (cell) => (/^\s*-?\d+(\.\d+)?\s*$/.test(cell) ? Number(cell) : cell) };
    case 'boolean':
      return { field, parse: (cell) => ({ true: true, false: false })[cell.trim().toLowerCase()] ?? cell };
    case 'array':
      return { field, parse: splitList };
    default:
      return undefined;
  }
}

function splitList(cell: string): string[] {
  return cell
    .split(/[;,]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Short enough to be shown, whatever stands in the file. */
function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => JSON.stringify(name.slice(0, 60)));
  return shown.join(', ') + (names.length > shown.length ? ', …' : '');
}

function wrong(what: string, columns: readonly string[]): AppError {
  return new AppError('invalid_batch', {
    message: `${what}. Columns are separated by commas; there are ${KNOWN_COLUMNS.join(', ')}.`,
    details: { columns: columns.slice(0, 10).map((name) => name.slice(0, 60)), known: KNOWN_COLUMNS },
  });
}
