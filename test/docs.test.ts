import { access, glob, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generateDocs } from '../scripts/generate-docs.ts';
import { loadConfig } from '../src/config.ts';
import { SETTINGS } from '../src/settings.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string) => readFile(join(ROOT, file), 'utf8');

async function filesOf(...patterns: string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const file of glob(patterns, { cwd: ROOT })) found.push(file);
  return found.toSorted();
}

const PAGES = await filesOf('*.md', 'docs/**/*.md');
const texts = new Map(await Promise.all(PAGES.map(async (page) => [page, await read(page)] as const)));

const withoutCode = (text: string) =>
  text.replaceAll(/^( *)```.*?^\1```/gms, '').replaceAll(/`[^`\n]*`/g, '``');

/** The anchors of a page, as code hosts make them out of headings. */
function anchorsOf(page: string): string[] {
  const headings = (texts.get(page) ?? '').replaceAll(/^( *)```.*?^\1```/gms, '').matchAll(/^#+ (.+)$/gm);
  return Array.from(headings, ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** What is wrong with the target of a link, or undefined. */
async function brokenLink(page: string, link: string): Promise<string | undefined> {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
  if (!(await exists(join(ROOT, target)))) return `${page}: ${link} leads nowhere`;
  if (anchor !== undefined && !anchorsOf(target).includes(anchor))
    return `${page}: ${link} has no such heading`;
  return undefined;
}

describe('generated files are current: run `npm run docs:generate`', async () => {
  test.each([...(await generateDocs())])('%s', async (file, text) => {
    expect(await read(file)).toBe(text);
  });
});

test('every relative link leads to a file, every anchor to a heading', async () => {
  const problems: (string | undefined)[] = [];
  for (const [page, text] of texts) {
    const links = Array.from(withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link);
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    problems.push(...(await Promise.all(local.map((link) => brokenLink(page, link)))));
  }
  expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
});

test('every page under docs is reachable from the README', () => {
  const seen = new Set<string>();
  const queue = ['README.md'];
  for (let page = queue.pop(); page !== undefined; page = queue.pop()) {
    if (seen.has(page)) continue;
    seen.add(page);
    for (const [, link = ''] of withoutCode(texts.get(page) ?? '').matchAll(/\]\(([^)#\s]+)/g)) {
      const target = relative(ROOT, resolve(ROOT, dirname(page), link));
      queue.push(...PAGES.filter((other) => other === target || dirname(other) === target));
    }
  }
  expect(PAGES.filter((page) => !seen.has(page))).toEqual([]);
});

test('every npm command in the docs exists', async () => {
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> };
  const builtIn = ['start', 'test'];
  for (const [page, text] of texts) {
    for (const [, name = ''] of text.matchAll(/npm run ([\w:-]+)/g))
      expect(scripts, page).toHaveProperty([name]);
    for (const [, name = ''] of text.matchAll(/npm (start|test)\b/g)) expect(builtIn).toContain(name);
  }
});

/** Words in capitals that look like settings and are something else. */
const OTHER_NAMES = new Set([
  'ACCOUNT',
  'ASSET_ID',
  'BATCH_ID',
  'DELETE',
  'ERRORS',
  'JOB_ID',
  'KEY',
  'MOVES',
  'NAME',
  'PATH',
  'RESELLER_KEY',
  'SORA_API_KEY',
  'SORA_URL',
  'TEAM_ID',
  'TEST_S3_BUCKET',
  'TEST_S3_ENDPOINT',
  'TEST_S3_REGION',
  'UTC',
  'USER_ID',
]);

test('every setting in the docs exists', () => {
  const unknown: string[] = [];
  for (const [page, text] of texts) {
    const names = [
      ...text.matchAll(/\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b/g),
      ...text.matchAll(/`([A-Z]+)[`=]/g),
    ];
    for (const [, name = ''] of names) {
      if (!(name in SETTINGS) && !OTHER_NAMES.has(name)) unknown.push(`${page}: ${name}`);
    }
  }
  expect(unknown).toEqual([]);
});

test('every code with which the engine fails a job is explained', async () => {
  const page = texts.get('docs/errors.md') ?? '';
  const sources = await filesOf('src/jobs/*.ts');
  const code = await Promise.all(sources.filter((file) => !file.endsWith('.test.ts')).map(read));
  const codes = code.join('\n').matchAll(/\bcode: '([a-z_]+)'/g);
  // Reasons for another try, not the end of a job.
  const retried = new Set(['not_accepted', 'unconfirmed']);
  const failures = [...new Set(Array.from(codes, ([, name = '']) => name))].filter(
    (name) => !retried.has(name),
  );
  expect(failures).not.toEqual([]);
  for (const name of failures) expect(page).toContain(`\`${name}\``);
});

test('the PROVIDERS_FILE of the docs is accepted', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'sora-docs-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const json =
    /<!-- providers-file -->\s+```json\n(.*?)```/s.exec(texts.get('docs/providers.md') ?? '')?.[1] ?? '';
  const file = join(folder, 'providers.json');
  await writeFile(file, json);
  const { connections, defaultModel } = loadConfig({ PROVIDERS_FILE: file, RESELLER_KEY: 'x' });
  expect(connections.map(({ name }) => name)).toEqual(['gpu-box', 'reseller']);
  expect(defaultModel).toBe('wan-fast');
});

test('AGENTS.md stays on one page', () => {
  expect(texts.get('AGENTS.md')?.split('\n').length).toBeLessThanOrEqual(130);
});

test('no file names a place on somebody’s machine', async () => {
  const files = [...PAGES, '.env.example', 'openapi.json', ...(await filesOf('examples/*', 'scripts/*'))];
  for (const file of files) {
    // Put together here, so that this file does not contain what it looks for.
    const places = ['work', 'root', 'home', 'Users'].map((folder) => `/${folder}/`).join('|');
    expect(await read(file), file).not.toMatch(new RegExp(`${places}|\\.\\./shared`));
  }
});
