/** One line of the table. */
export interface Row {
  what: string;
  measured: string;
  /** What it is held against, when that was measured too. */
  reference?: string;
  /** Measured over reference; above 1 is never worse. */
  ratio?: number;
  goal?: string;
  /** Undefined: there is no goal, the line is for information. */
  isMet?: boolean;
}

/** What a benchmark finds: lines of the table, and text below it (plans, break-downs). */
export interface Report {
  rows: Row[];
  notes?: string[];
}

export interface BenchmarkOptions {
  /** Shorter runs and less data. */
  quick: boolean;
  /** A folder of its own, removed afterwards; other users may read it. */
  folder: string;
}

export type Benchmark = (options: BenchmarkOptions) => Promise<Report>;

const TITLES = ['what', 'measured', 'reference', 'ratio', 'goal', 'met'];

/** All lines as one table of aligned columns. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [TITLES, ...rows.map(cellsOf)];
  const widths = TITLES.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const [titles = '', ...rest] = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [titles, rule, ...rest].join('\n');
}

function cellsOf(row: Row): string[] {
  return [
    row.what,
    row.measured,
    row.reference ?? '',
    row.ratio === undefined ? '' : `${Math.round(row.ratio * 100)} %`,
    row.goal ?? '',
    row.isMet === undefined ? '' : row.isMet ? 'yes' : 'NO',
  ];
}

/** The last line: how many goals there are and which of them fall short. */
export function verdictOn(rows: readonly Row[]): string {
  const goals = rows.filter((row) => row.isMet !== undefined);
  const missed = goals.filter((row) => row.isMet === false);
  const summary = `${goals.length - missed.length} of ${goals.length} goals met`;
  return missed.length === 0 ? summary : `${summary}; short of: ${missed.map((row) => row.what).join(', ')}`;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The smallest value that so many percent of all do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(0)} MB`;
}

export function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString('en')}/s`;
}
