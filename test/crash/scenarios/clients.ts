import { setTimeout as pause } from 'node:timers/promises';
import { insertKey, insertUser } from '../../../src/accounts/accounts.repository.ts';
import { API_KEY } from '../product.ts';
import { withDatabase } from './books.ts';
import type { Scene } from './scene.ts';

export interface Wanted {
  account: string;
  prompt: string;
  /** A data URL. */
  picture?: string | undefined;
  /** Of the caller (the admin's). */
  key?: string | undefined;
}

const RETRY_MS = 300;
const PATIENCE_MS = 60_000;
const TIMEOUT_MS = 15_000;

export function headersOf(key = API_KEY): Record<string, string> {
  return { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
}

export function bodyOf({ account, prompt, picture }: Wanted): Record<string, unknown> {
  const shape = { model: `${account}/simulator`, resolution: '64x64', duration: 1 };
  return { prompt, ...shape, ...(picture === undefined ? {} : { inputReference: picture }) };
}

let asked = 0;

/** Asks for a video, with an idempotency key, until there is an answer. Throws when it is refused. */
export async function askFor({ fleet }: Scene, wanted: Wanted): Promise<string> {
  asked += 1;
  const headers = { ...headersOf(wanted.key), 'idempotency-key': `scenario-${process.pid}-${asked}` };
  const deadline = Date.now() + PATIENCE_MS;
  for (let nth = asked; Date.now() < deadline; nth += 1) {
    const addresses = fleet.addresses();
    const init = { method: 'POST', headers, body: JSON.stringify(bodyOf(wanted)) };
    const response = await fetch(`${addresses[nth % Math.max(1, addresses.length)]}/api/v1/videos`, {
      ...init,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch(() => undefined);
    if (response?.ok) return ((await response.json()) as { data: { jobId: string } }).data.jobId;
    if (response && response.status < 500 && response.status !== 429 && response.status !== 409)
      throw new Error(`refused: ${response.status} ${await response.text()}`);
    await pause(RETRY_MS);
  }
  throw new Error('no address of the product answered');
}

/** Asks for all of them, a few at a time; ids in the same order. */
export async function askForAll(scene: Scene, all: readonly Wanted[], atOnce = 8): Promise<string[]> {
  const ids: string[] = [];
  const waiting = [...all.entries()];
  const one = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      ids[next[0]] = await askFor(scene, next[1]);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return ids;
}

/** A user of the product, by their key. */
export async function createUser(scene: Scene, name: string): Promise<string> {
  const key = `key-of-${name}-${process.pid}-0123456789`;
  await withDatabase(scene.fleet, async (db) => {
    const userId = await insertUser(db, { name, role: 'user' }, new Date());
    await insertKey(db, { userId, name, key }, new Date());
  });
  return key;
}
