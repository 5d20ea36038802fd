import { KINDS, scenarioHolds, type ScenarioResult } from './scenario.ts';

const TITLES = [
  'scenario',
  'took',
  'runs',
  'creations',
  'second creations',
  'foreign videos',
  'holds without an end',
  'budgets exceeded',
  'stuck',
  'other',
  'held',
];
const SHOWN = 12;

/** One line for each scenario, in Markdown, and below it what was found. */
export function tableOfScenarios(results: readonly ScenarioResult[]): string {
  const lines = [TITLES, ...results.map(cellsOf)];
  const widths = TITLES.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = '', ...rest] = lines.map(text);
  return (
    [head, text(widths.map((width) => '-'.repeat(width))), ...rest].join('\n') + results.map(found).join('')
  );
}

function cellsOf(result: ScenarioResult): string[] {
  const { name, seconds, findings } = result;
  const counts = [findings.runs, findings.creations, ...KINDS.map((kind) => findings[kind].length)];
  return [name, `${seconds} s`, ...counts.map(String), scenarioHolds(result) ? 'yes' : 'NO'];
}

function found({ name, findings }: ScenarioResult): string {
  const lines: string[] = [];
  for (const kind of KINDS) {
    const texts = findings[kind];
    if (texts.length > 0) lines.push(`  ${kind}:`, ...texts.slice(0, SHOWN).map((line) => `  - ${line}`));
    if (texts.length > SHOWN) lines.push(`  … and ${texts.length - SHOWN} more`);
  }
  return lines.length === 0 ? '' : `\n\n${name}:\n${lines.join('\n')}`;
}
