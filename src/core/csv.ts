type Cell = string | number | null;

/**
 * A table as CSV (RFC 4180): lines end in CRLF, cells are quoted where they have to be. A text that a spreadsheet would
 * run as a formula gets an apostrophe in front; numbers stay numbers, negative ones too.
 */
export function writeCsv(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [head, ...rows].map((row) => `${row.map(cellText).join(',')}\r\n`).join('');
}

function cellText(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return plainNumber(cell);
  // Spreadsheets skip white space before they look for a formula.
  const harmless = /^\s*[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** Without an exponent, which readers of money do not expect. */
function plainNumber(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(6) : text;
}
