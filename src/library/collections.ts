import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import {
  type Collection,
  countCollections,
  deleteCollection,
  insertCollection,
  listCollections,
  renameCollection,
} from './collections.repository.ts';
import type { LibraryParts } from './library.ts';

/** So that the list of them needs no pages. */
const MAX_COLLECTIONS = 1000;

type Parts = Pick<LibraryParts, 'db' | 'clock' | 'write'>;

/** Throws `collection_not_found`. */
export async function getCollection({ db }: Parts, caller: Principal, id: string): Promise<Collection> {
  const [collection] = await listCollections(db, caller.ownerId, id);
  if (!collection) throw new AppError('collection_not_found');
  return collection;
}

/** Throws `collection_exists`, whatever the case of the name. */
export async function createCollection(parts: Parts, caller: Principal, name: string): Promise<Collection> {
  if ((await countCollections(parts.db, caller.ownerId)) >= MAX_COLLECTIONS) {
    throw new AppError('invalid_request', {
      message: `There can be ${MAX_COLLECTIONS} collections at most.`,
    });
  }
  const id = newId('col');
  const createdAt = new Date(parts.clock.now());
  const isNew = await insertCollection(parts.db, { id, ownerId: caller.ownerId, name, createdAt });
  if (!isNew) throw new AppError('collection_exists', { param: 'name' });
  return { id, name, createdAt, videos: 0, bytes: 0 };
}

/** Throws `collection_not_found`, `collection_exists`. */
export async function rename(parts: Parts, caller: Principal, id: string, name: string): Promise<Collection> {
  const outcome = await renameCollection(parts.db, caller.ownerId, id, name);
  if (outcome === 'taken') throw new AppError('collection_exists', { param: 'name' });
  return getCollection(parts, caller, id);
}

/** Its videos stay. Throws `collection_not_found`. */
export async function removeCollection(parts: Parts, caller: Principal, id: string): Promise<void> {
  const isGone = await parts.write((write) => deleteCollection(write, caller.ownerId, id));
  if (!isGone) throw new AppError('collection_not_found');
}
