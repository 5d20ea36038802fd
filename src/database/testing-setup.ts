import { chmod, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { newSecret } from '../core/ids.ts';
import { startEmbedded } from './embedded.ts';
import { migrate } from './migrate.ts';
import { silentLog } from './silent-log.ts';
import { removeLeftovers, temporaryFolder, TEST_FOLDER_PREFIX } from './testing-leftovers.ts';
import { withDatabase } from './url.ts';

export interface TestServer {
  url: string;
  stop: () => Promise<void>;
}

/** Fills the template database that every test database is a copy of. */
export type PrepareTemplate = (url: string) => Promise<unknown>;

/**
 * Makes a Vitest globalSetup: one PostgreSQL for the whole run, with a template database. The server is an
 * embedded one in a temporary folder, or that of TEST_DATABASE_URL (a superuser's connection string).
 */
export function databaseSetup(prepareTemplate: PrepareTemplate) {
  return async function setup(project: TestProject): Promise<() => Promise<void>> {
    // oxlint-disable-next-line no-restricted-properties -- a test run has no config.ts
    const given = process.env.TEST_DATABASE_URL;
    const server = given ? { url: given, stop: async () => {} } : await startTestServer();
    const template = `sora_template_${newSecret('r')
      .replace(/[^A-Za-z0-9]/g, '')
      .slice(0, 10)
      .toLowerCase()}`;
    try {
      await createTemplate(server.url, template, prepareTemplate);
    } catch (error) {
      await server.stop();
      throw error;
    }
    project.provide('databaseServerUrl', server.url);
    project.provide('databaseTemplate', template);
    return async function teardown() {
      if (given) await dropDatabases(given, template);
      await server.stop();
    };
  };
}

/** The migrations of this repository. */
export const migrateTemplate: PrepareTemplate = (url) =>
  migrate(url, { dir: path.join(import.meta.dirname, '..', '..', 'migrations'), log: silentLog });

export default databaseSetup(migrateTemplate);

/** Starts an embedded PostgreSQL in a temporary folder that is fast instead of durable. */
async function startTestServer(): Promise<TestServer> {
  await removeLeftovers();
  const dataDir = await mkdtemp(path.join(await temporaryFolder(), `${TEST_FOLDER_PREFIX}${process.pid}-`));
  // PostgreSQL may run as another user, who has to get in.
  await chmod(dataDir, 0o755);
  const server = await startEmbedded({
    dataDir,
    log: silentLog,
    durable: false,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  });
  const stop = async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: server.url, stop };
}

async function createTemplate(url: string, name: string, prepare: PrepareTemplate): Promise<void> {
  await onServer(url, (client) => client.query(`create database ${name}`));
  await prepare(withDatabase(url, name));
  // A database that somebody is connected to cannot be copied.
  await onServer(url, (client) =>
    client.query(`alter database ${name} with allow_connections false is_template true`),
  );
}

/** On a server that stays, the run's databases go. */
async function dropDatabases(url: string, template: string): Promise<void> {
  await onServer(url, async (client) => {
    await client.query(`alter database ${template} with is_template false`);
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [template],
    );
    for (const { name } of rows) await client.query(`drop database if exists "${name}" with (force)`);
  });
}

async function onServer(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
