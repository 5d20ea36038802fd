import Fastify from 'fastify';
import { Pool } from 'pg';
import { newId } from '../src/core/ids.ts';
import { freePort } from './ports.ts';

/** As many connections as the app has. */
const POOL_SIZE = 10;

const TABLES = `
  create table bench_jobs (id text primary key, owner text not null, data jsonb not null, created_at timestamptz not null);
  create table bench_holds (id text primary key, job_id text not null, micros bigint not null);
  create table bench_events (
    id bigint generated always as identity primary key, job_id text not null, type text not null,
    created_at timestamptz not null
  )`;

/** A bare route that stores what it is sent with three INSERTs in one transaction, through `pg` alone. */
export async function startThreeInserts(
  databaseUrl: string,
): Promise<{ url: string; close(): Promise<void> }> {
  const pool = new Pool({ connectionString: databaseUrl, max: POOL_SIZE });
  await pool.query(TABLES);
  const server = Fastify();

  server.post('/bare', async (request, reply) => {
    const id = newId('video');
    const now = new Date();
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query('insert into bench_jobs values ($1, $2, $3, $4)', [
        id,
        'somebody',
        request.body,
        now,
      ]);
      await client.query('insert into bench_holds values ($1, $2, $3)', [newId('att'), id, 1000]);
      await client.query('insert into bench_events (job_id, type, created_at) values ($1, $2, $3)', [
        id,
        'job.created',
        now,
      ]);
      await client.query('commit');
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
    return reply.code(201).send({ id, createdAt: now });
  });

  const address = await server.listen({ host: '127.0.0.1', port: await freePort() });
  return {
    url: `${address}/bare`,
    async close() {
      await server.close();
      await pool.end();
    },
  };
}
