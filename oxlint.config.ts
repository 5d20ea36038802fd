import { defineConfig } from 'oxlint';

/**
 * The rooms of `src/`, in import order: a room may import itself and the rooms before it.
 * The table is the rule; a new room is one word here.
 */
const ROOMS = [
  'core',
  'database',
  'queue',
  'storage',
  'media',
  'providers',
  'http',
  'accounts',
  'events',
  'usage',
  'assets',
  'jobs',
  'derivations',
  'batches',
  'library',
  'retention',
  'webhooks',
  'openai',
  'alerts',
  'admin',
  'system',
];

const ambientGlobals = [
  { name: 'fetch', message: 'Only core/outbound.ts talks to the outside.' },
  { name: 'setTimeout', message: 'Take time from the Clock (core/clock.ts), so that tests own it.' },
  { name: 'setInterval', message: 'Take time from the Clock (core/clock.ts), so that tests own it.' },
];

const ambientProperties = [
  { object: 'process', property: 'env', message: 'Only config.ts reads the environment.' },
  { object: 'Date', property: 'now', message: 'Take time from the Clock (core/clock.ts).' },
  { object: 'Math', property: 'random', message: 'Randomness comes from core/.' },
];

/** Forbids, inside one room, every room to its right, and other rooms' repositories, routes and schemas. */
function roomRule(room: string, index: number) {
  const later = ROOMS.slice(index + 1);
  const patterns = later.map((name) => ({
    group: [`../${name}/**`, `../../${name}/**`],
    message: `${room}/ stands left of ${name}/: imports go left only.`,
  }));
  const upward = {
    group: ['**/app.ts', '**/main.ts', '**/config.ts'],
    message: 'Parts receive what they need.',
  };
  return {
    files: [`src/${room}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, upward] }] as never },
  };
}

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'node', 'promise'],
  categories: { correctness: 'error', suspicious: 'error', perf: 'error' },
  rules: {
    'no-console': 'error',
    'no-await-in-loop': 'off',
    'no-shadow': 'off',
    'import/no-cycle': 'error',
    // A rule for Express; Fastify awaits its handlers.
    'oxc/no-async-endpoint-handlers': 'off',
    // Fastify's hooks are told by a callback when a promise has been kept.
    'promise/no-callback-in-promise': 'off',
    'import/no-unassigned-import': 'off',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/no-array-reverse': 'off',
    'unicorn/prefer-array-find': 'error',
    'max-lines': ['error', { max: 260, skipBlankLines: true, skipComments: true }],
    'no-restricted-globals': ['error', ...ambientGlobals],
    'no-restricted-properties': ['error', ...ambientProperties],
  },
  overrides: [
    ...ROOMS.map(roomRule),
    {
      files: ['src/core/**', 'src/config.ts', 'src/serve.ts'],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
    },
    {
      files: ['test/**', 'scripts/**', 'bench/**', 'examples/**', '**/*.test.ts'],
      rules: {
        'no-restricted-globals': 'off',
        'no-restricted-properties': 'off',
        'no-console': 'off',
        'typescript/no-non-null-assertion': 'off',
        'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      },
    },
  ],
});
