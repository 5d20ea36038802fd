import { getAdapter } from 'better-auth/db/adapter';
import type { BetterAuthOptions } from 'better-auth';
import type { Kysely } from 'kysely';
import { sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';

type Adapter = Awaited<ReturnType<typeof getAdapter>>;
type Where = NonNullable<Parameters<Adapter['findOne']>[0]['where']>;

/**
 * better-auth's own adapter on our database, but for one thing: of a session's token it stores and looks up the hash alone.
 * Whoever reads the table cannot sign in with what is there.
 */
export async function createAuthAdapter(
  db: Kysely<DB>,
  options: BetterAuthOptions,
): Promise<(options: BetterAuthOptions) => Adapter> {
  const inner = await getAdapter({ ...options, database: { db, type: 'postgres', transaction: true } });
  const adapter = hashing(inner);
  return () => adapter;
}

function hashing<Inner extends Adapter | Parameters<Parameters<Adapter['transaction']>[0]>[0]>(
  inner: Inner,
): Inner {
  const outer: Partial<Adapter> = {
    async create(call) {
      const token = tokenOf(call.model, call.data);
      const data = token === undefined ? call.data : { ...call.data, token: sha256(token) };
      return withToken(await inner.create({ ...call, data: data as typeof call.data }), token) as never;
    },
    async findOne(call) {
      const { where, token } = hashed(call.model, call.where);
      return withToken(await inner.findOne({ ...call, where }), token) as never;
    },
    async update(call) {
      const { where, token } = hashed(call.model, call.where);
      return withToken(await inner.update({ ...call, where }), token) as never;
    },
    findMany: (call) =>
      inner.findMany(call.where ? { ...call, where: hashed(call.model, call.where).where } : call),
    delete: (call) => inner.delete({ ...call, where: hashed(call.model, call.where).where }),
    deleteMany: (call) => inner.deleteMany({ ...call, where: hashed(call.model, call.where).where }),
    updateMany: (call) => inner.updateMany({ ...call, where: hashed(call.model, call.where).where }),
    consumeOne: (call) => inner.consumeOne({ ...call, where: hashed(call.model, call.where).where }),
  };
  if ('transaction' in inner) {
    const { transaction } = inner;
    outer.transaction = (callback) => transaction((tx) => callback(hashing(tx)));
  }
  return { ...inner, ...outer };
}

function tokenOf(model: string, data: object): string | undefined {
  const { token } = data as { token?: unknown };
  return model === 'session' && typeof token === 'string' ? token : undefined;
}

function hashed(model: string, where: Where): { where: Where; token: string | undefined } {
  if (model !== 'session') return { where, token: undefined };
  let token: string | undefined;
  const conditions = where.map((condition) => {
    if (condition.field !== 'token') return condition;
    if (Array.isArray(condition.value))
      return { ...condition, value: condition.value.map((each) => sha256(String(each))) };
    token = String(condition.value);
    return { ...condition, value: sha256(token) };
  });
  return { where: conditions, token };
}

/** The caller knows the token it asked with, and goes on working with it. */
function withToken(row: unknown, token: string | undefined): unknown {
  return token === undefined || row === null ? row : { ...(row as object), token };
}
