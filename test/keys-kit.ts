import { expect } from 'vitest';
import type { Scope } from '../src/accounts/principal.ts';
import { insertKey, insertUser } from '../src/accounts/accounts.repository.ts';
import type { Caller, TestApp } from './create-test-app.ts';

export interface KeyView {
  id: string;
  name: string;
  prefix: string;
  key: string;
  ownerId: string;
  scopes: string[];
  models: string[] | null;
  spendCapUsd: number | null;
  spentUsd: number;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
  rotatedFrom: string | null;
}

/** The data of an answer, whose status is as expected. */
export function dataOf<Data = KeyView>(response: { statusCode: number; body: string }, status = 200): Data {
  expect(response.statusCode, response.body).toBe(status);
  return (JSON.parse(response.body) as { data: Data }).data;
}

export async function makeKey(caller: Caller, body: object = {}): Promise<KeyView> {
  return dataOf(await caller.request('POST', '/api/v1/keys', { name: 'made', ...body }), 201);
}

/** Whoever shows the key, on this app or another. */
export function holder(app: TestApp['app'], key: string): Caller['request'] {
  return (method, url, body) =>
    app.server.inject({
      method,
      url,
      headers: { authorization: `Bearer ${key}` },
      ...(body ? { payload: body } : {}),
    });
}

/** A new user with a key that may do these things. */
export async function person(
  { app, db }: TestApp,
  { role = 'user', scopes }: { role?: 'user' | 'admin'; scopes?: readonly Scope[] } = {},
): Promise<{ userId: string; key: string; request: Caller['request'] }> {
  const key = `key-${Math.random()}`;
  const userId = await insertUser(db, { name: 'person', role }, new Date());
  await insertKey(db, { userId, name: 'theirs', key }, new Date());
  if (scopes)
    await db
      .updateTable('api_keys')
      .set({ scopes: [...scopes] })
      .where('user_id', '=', userId)
      .execute();
  return { userId, key, request: holder(app, key) };
}

/** A team with these people in these roles. */
export async function team(
  { db }: TestApp,
  id: string,
  members: Record<string, 'owner' | 'admin' | 'member'>,
): Promise<string> {
  await db.insertInto('teams').values({ id, name: id, slug: id }).execute();
  for (const [userId, role] of Object.entries(members)) {
    await db
      .insertInto('team_members')
      .values({ id: `${id}_${userId}`, team_id: id, user_id: userId, role })
      .execute();
  }
  return id;
}
