import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { format, resolveConfig } from 'prettier';
import type { Accounts } from '../src/accounts/accounts.ts';
import type { KeysService } from '../src/accounts/keys.ts';
import type { AssetsService } from '../src/assets/assets.service.ts';
import type { BatchesService } from '../src/batches/batches.service.ts';
import { loadConfig } from '../src/config.ts';
import { systemClock } from '../src/core/clock.ts';
import { ERRORS } from '../src/core/errors.ts';
import type { DerivationsService } from '../src/derivations/derivations.service.ts';
import { createMemoryCount } from '../src/http/rate-limit-count.ts';
import { type JobStage, MOVES } from '../src/jobs/job.ts';
import type { JobsService } from '../src/jobs/jobs.service.ts';
import type { LibraryParts } from '../src/library/library.ts';
import { createCatalog } from '../src/providers/catalog.ts';
import { DIALECTS } from '../src/providers/openai-videos/dialects.ts';
import { FAULTS } from '../src/providers/simulator/faults.ts';
import type { Database } from '../src/database/open.ts';
import type { Retention } from '../src/retention/retention.ts';
import { createHttp } from '../src/routes.ts';
import type { PriceBook } from '../src/usage/price-book.ts';
import { type Setting, SETTINGS } from '../src/settings.ts';
import { createMetrics } from '../src/system/metrics.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What stands between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->` in the docs. */
const SECTIONS: Readonly<Record<string, { file: string; render: () => string }>> = {
  settings: { file: 'docs/configuration.md', render: settingsTable },
  errors: { file: 'docs/errors.md', render: errorsTable },
  states: { file: 'docs/job-lifecycle.md', render: statesDiagram },
  moves: { file: 'docs/job-lifecycle.md', render: movesTable },
  dialects: { file: 'docs/providers.md', render: dialectsTable },
  faults: { file: 'docs/simulator.md', render: faultsTable },
};

/** Every generated file as it should be, by its path in the repository. Reads files, writes none. */
export async function generateDocs(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, { file, render }] of Object.entries(SECTIONS)) {
    const page = files.get(file) ?? (await readFile(join(ROOT, file), 'utf8'));
    files.set(file, replaceSection(page, name, render()));
  }
  files.set('openapi.json', JSON.stringify(await openApi()));
  for (const [file, text] of files) files.set(file, await prettify(file, text));
  return files.set('.env.example', envExample());
}

function replaceSection(page: string, name: string, content: string): string {
  const [start, end] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`];
  const [before, rest, ...more] = page.split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`one pair of ${name} markers is needed`);
  return `${before}${start}\n\n${content}\n\n${end}${after}`;
}

async function prettify(file: string, text: string): Promise<string> {
  const filepath = join(ROOT, file);
  return format(text, { ...(await resolveConfig(filepath)), filepath });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const code = (text: string | number) => `\`${text}\``;
const settings = () => Object.entries(SETTINGS) as [string, Setting<unknown>][];

function settingsTable(): string {
  const rows = settings().map(([name, setting]) => {
    const standard = defaultText(setting.fallback);
    return [code(name), setting.about, ruleOf(setting), standard === '' ? '' : code(standard)];
  });
  return table(['Setting', 'Meaning', 'Value', 'Default'], rows);
}

/** What a value must be, in the words of the setting's own complaint about one that surely is not. */
function ruleOf({ parse }: Setting<unknown>): string {
  try {
    parse('?? ?');
    return 'text';
  } catch (error) {
    return (error as Error).message.replace(/ \(.*$/s, '');
  }
}

/** Empty for what is unset by default. */
function defaultText(fallback: unknown): string {
  return typeof fallback === 'string' || typeof fallback === 'number' ? String(fallback) : '';
}

function envExample(): string {
  const head = '# Every setting, commented out, with its default. Copy to .env and change what you need.\n';
  const blocks = settings().map(([name, setting]) => {
    const rule = ruleOf(setting);
    const value = rule === 'text' ? '' : `# Value: ${rule}.\n`;
    return `\n# ${setting.about}\n${value}# ${name}=${defaultText(setting.fallback)}\n`;
  });
  return head + blocks.join('');
}

function errorsTable(): string {
  const rows = Object.entries(ERRORS).map(([name, { status, message }]) => [
    String(status),
    code(name),
    message,
  ]);
  return table(['Status', 'Code', 'Message, unless a more exact one is given'], rows);
}

const moves = Object.entries(MOVES);
const openStages = [...new Set(moves.flatMap(([, move]) => [...move.from] as JobStage[]))];

/** The name in the diagram of where a move leads to: the stage, or the status once it is finished. */
const targetOf = ({ to }: (typeof MOVES)[keyof typeof MOVES]) =>
  to.stage === 'finished' ? to.status : to.stage;

function statesDiagram(): string {
  const arrows = moves.flatMap(([name, move]) => {
    const sources = move.from.length === openStages.length ? ['open'] : move.from;
    return sources.map((from) => `  ${from} --> ${targetOf(move)}: ${name}`);
  });
  const ends = moves.filter(([, { to }]) => to.stage === 'finished').map(([, { to }]) => to.status);
  return [
    '```mermaid',
    'stateDiagram-v2',
    '  state "any of the stages above" as open',
    '  [*] --> queued: create',
    ...arrows,
    ...ends.map((status) => `  ${status} --> [*]`),
    '```',
  ].join('\n');
}

function movesTable(): string {
  const rows = moves.map(([name, move]) => {
    const from = move.from.length === openStages.length ? 'every open stage' : move.from.map(code).join(', ');
    return [code(name), from, code(targetOf(move)), code(move.to.status), code(move.event)];
  });
  return table(['Move', 'From', 'To', 'Status then', 'Event'], rows);
}

function dialectsTable(): string {
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  const rows = Object.entries(DIALECTS).map(([name, dialect]) => [
    code(name),
    dialect.description,
    dialect.encoding,
    dialect.seconds,
    dialect.list,
    yes(dialect.deleteStops),
    dialect.result,
    dialect.operations.length === 0 ? 'none' : dialect.operations.join(', '),
  ]);
  return table(
    ['Dialect', 'For', 'Create as', '`seconds`', 'List', 'Delete stops', 'File', 'Operations'],
    rows,
  );
}

function faultsTable(): string {
  return table(
    ['Fault', 'Strikes', 'What happens'],
    Object.entries(FAULTS).map(([name, { stage, does }]) => [code(name), stage, does]),
  );
}

/** The document of the real routes. Nothing is served, so no part is ever asked for anything. */
async function openApi(): Promise<object> {
  const unused = async () => {};
  const server = await createHttp({
    config: loadConfig({}),
    version: (JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
    logger: pino({ level: 'silent' }),
    clock: systemClock,
    assets: {} as AssetsService,
    jobs: {} as JobsService,
    library: {} as LibraryParts,
    retention: {} as Retention,
    batches: { maxVideos: 0 } as BatchesService,
    derivations: {} as DerivationsService,
    getLineage: () => Promise.reject(new Error('not here')),
    catalog: createCatalog({ connections: [] }),
    db: {} as Database,
    prices: {} as PriceBook,
    draftJob: () => {
      throw new Error('not here');
    },
    metrics: createMetrics({
      clock: systemClock,
      countJobs: () => Promise.reject(new Error('not here')),
      ledger: () => Promise.reject(new Error('not here')),
    }),
    access: {
      authenticate: unused,
      forget: () => {},
      keys: {} as KeysService,
      count: createMemoryCount(systemClock),
      checks: {},
    },
    accounts: {} as Accounts,
    checks: {},
  });
  await server.ready();
  const document = server.swagger();
  await server.close();
  return document;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, text] of await generateDocs()) await writeFile(join(ROOT, file), text);
}
