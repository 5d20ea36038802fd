import type { Benchmark } from './report.ts';

interface Entry {
  /** One line for the help. */
  about: string;
  /** Left out of a quick run. */
  isLong?: boolean;
  load: () => Promise<{ default: Benchmark }>;
}

/** Every benchmark there is, in the order of the table. */
const ALL = {
  'get-job': {
    about: 'GET /api/v1/videos/:id against a bare Fastify route, and its latency at 1,000 requests/s',
    load: () => import('./get-job.ts'),
  },
  auth: {
    about: 'what the guard adds to a request by key: one route with and without it',
    load: () => import('./auth.ts'),
  },
  create: {
    about: 'POST /api/v1/videos, durably, against a bare route with three INSERTs in a transaction',
    load: () => import('./create.ts'),
  },
  batch: {
    about:
      'POST /api/v1/videos/batch with 10, 100 and 1,000 videos, durably, against one INSERT of the same rows',
    load: () => import('./batch.ts'),
  },
  list: {
    about: 'every filter and sort of the list over 1,000,000 jobs (quick: 100,000), in the database',
    load: () => import('./list.ts'),
  },
  usage: {
    about: 'usage reports over 1,000,000 jobs (quick: 100,000), every grouping and kind of time zone',
    load: () => import('./usage.ts'),
  },
  notify: {
    about: 'commits of 48 clients that change jobs, with the triggers that tell other processes and without',
    load: () => import('./notify.ts'),
  },
  admission: {
    about: 'who gets the one free place when 100,000 (quick: 10,000) of 500 people wait for it',
    load: () => import('./admission.ts'),
  },
  'ledger-check': {
    about: 'the proof of the books with 1,000 keys and 1,000,000 entries (quick: 100 and 20,000)',
    load: () => import('./ledger-check.ts'),
  },
  download: {
    about: 'memory of the server while it serves a 1 GB file, whole and in ranges, fast and slowly',
    load: () => import('./download.ts'),
  },
  zip: {
    about: 'first byte and memory of the server while it sends a zip of 200 videos, and an export',
    load: () => import('./zip.ts'),
  },
  s3: {
    about: 'memory that S3 storage takes for storing and reading a file of 300 MB (quick: 50 MB)',
    load: () => import('./s3.ts'),
  },
  memory: {
    about: 'memory of a fresh server with its PostgreSQL at rest, and the CPU time it needs to rest',
    load: () => import('./memory.ts'),
  },
  start: {
    about: 'time to listening: first start and reopening',
    load: () => import('./start.ts'),
  },
  polling: {
    about: 'from the end of a video at the upstream to its being seen, with 5,000 running (quick: 500)',
    isLong: true,
    load: () => import('./polling.ts'),
  },
  'slow-list': {
    about: 'the same where each page of the list takes a second: when the last end is known',
    isLong: true,
    load: () => import('./slow-list.ts'),
  },
  'fresh-clone': {
    about: 'git clone, npm start, a first video downloaded',
    isLong: true,
    load: () => import('./fresh-clone.ts'),
  },
} satisfies Record<string, Entry>;

export type BenchmarkName = keyof typeof ALL;

export const BENCHMARKS: Readonly<Record<BenchmarkName, Entry>> = ALL;
