import type { Kysely, Transaction } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { newCheckedSecret, newId, sha256 } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Micros } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { type Act, actor } from './actor.ts';
import { appendAudit } from './audit.repository.ts';
import {
  checkRotation,
  checkWish,
  effectiveWish,
  type KeyWish,
  type Means,
  meansOf,
  reachOf,
} from './keys-power.ts';
import * as keys from './keys.repository.ts';
import { findRole } from './teams.repository.ts';
import type { KeyRow } from './keys.repository.ts';
import type { Principal } from './principal.ts';

/** A key as it is shown: never its secret. */
export interface ShownKey {
  key: KeyRow;
  spentMicros: Micros;
}

/** The only moment at which a key itself is known. */
export interface MadeKey extends ShownKey {
  secret: string;
}

export interface KeysService {
  create(by: Act, wish: KeyWish): Promise<MadeKey>;
  list(
    caller: Principal,
    page: { limit: number; after?: string | undefined },
  ): Promise<{ keys: ShownKey[]; hasMore: boolean }>;
  get(caller: Principal, id: string): Promise<ShownKey>;
  change(by: Act, id: string, change: Omit<KeyWish, 'scopes' | 'teamId'>): Promise<ShownKey>;
  rotate(by: Act, id: string, overlapSeconds: number): Promise<MadeKey>;
  revoke(by: Act, id: string): Promise<ShownKey>;
}

const PREFIX = 'sk';
/** How much of a key lists show, to tell one from another. */
const SHOWN_CHARACTERS = 10;

export interface KeysParts {
  db: Kysely<DB>;
  clock: Clock;
  /** Throws `model_not_found` for a name that nobody offers. */
  checkModel(name: string): void;
  /** A key may do less than before. */
  onChange?(): void;
}

/** API keys: made, changed, replaced and revoked by those they belong to, never with more power than they have. */
export function createKeysService({ db, clock, checkModel, onChange }: KeysParts): KeysService {
  async function means(caller: Principal): Promise<Means> {
    return meansOf(caller, caller.keyId === null ? undefined : await keys.findLimits(db, caller.keyId));
  }

  async function shown(key: KeyRow): Promise<ShownKey> {
    return { key, spentMicros: (await keys.sumSpent(db, [key])).get(key.id) ?? 0 };
  }

  /** One change of one key of the caller's, with its line in the audit log. */
  async function act(
    by: Act,
    id: string,
    work: (tx: Transaction<DB>, key: KeyRow, mine: Means) => Promise<KeyRow>,
  ): Promise<KeyRow> {
    const mine = await means(by.caller);
    const changed = await db.transaction().execute(async (tx) => {
      const key = await keys.findKey(tx, reachOf(mine), id, true);
      if (!key) throw new AppError('key_not_found');
      return work(tx, key, mine);
    });
    onChange?.();
    return changed;
  }

  async function audit(tx: Transaction<DB>, by: Act, entry: Entry): Promise<void> {
    await appendAudit(tx, { ...actor(by), ...entry }, new Date(clock.now()));
  }

  async function add(tx: Transaction<DB>, row: Omit<KeyRow, Made>): Promise<{ key: KeyRow; secret: string }> {
    const secret = newCheckedSecret(PREFIX);
    const key = await keys.addKey(tx, {
      ...row,
      id: newId('key'),
      prefix: secret.slice(0, SHOWN_CHARACTERS),
      key_hash: sha256(secret),
      created_at: new Date(clock.now()),
    });
    return { key, secret };
  }

  function refuseDead(key: KeyRow): void {
    const now = clock.now();
    if (key.revoked_at) throw new AppError('key_not_active', { message: 'The API key has been revoked.' });
    if (key.expires_at && key.expires_at.getTime() <= now)
      throw new AppError('key_not_active', { message: 'The API key has expired.' });
  }

  return {
    async create(by, given) {
      const mine = await means(by.caller);
      const wish = effectiveWish(mine, given);
      checkWish(mine, wish, clock.now());
      for (const model of wish.models ?? []) checkModel(model);
      const ownerId = await ownerFor(by.caller, given.teamId);
      const { key, secret } = await db.transaction().execute(async (tx) => {
        const made = await add(tx, {
          user_id: by.caller.userId,
          owner_id: ownerId,
          name: wish.name,
          scopes: [...wish.scopes],
          models: wish.models === null ? null : [...wish.models],
          spend_cap_micros: wish.spendCapMicros,
          expires_at: wish.expiresAt,
          rotated_from: null,
          family_id: null,
        });
        await audit(tx, by, {
          action: 'key.created',
          subjectId: made.key.id,
          details: { ownerId, ...rightsOf(made.key) },
        });
        return made;
      });
      return { key, secret, spentMicros: 0 };
    },

    async list(caller, { limit, after }) {
      const found = await keys.listKeys(db, reachOf(await means(caller)), { limit: limit + 1, after });
      const page = found.slice(0, limit);
      const spent = await keys.sumSpent(db, page);
      return {
        keys: page.map((key) => ({ key, spentMicros: spent.get(key.id) ?? 0 })),
        hasMore: found.length > limit,
      };
    },

    async get(caller, id) {
      const key = await keys.findKey(db, reachOf(await means(caller)), id);
      if (!key) throw new AppError('key_not_found');
      return shown(key);
    },

    async change(by, id, change) {
      for (const model of change.models ?? []) checkModel(model);
      const changed = await act(by, id, async (tx, key, mine) => {
        refuseDead(key);
        const before = {
          name: key.name,
          scopes: key.scopes,
          models: key.models,
          spendCapMicros: key.spend_cap_micros,
          expiresAt: key.expires_at,
        };
        const wish = { ...before, ...given(change) } as Parameters<typeof checkWish>[1];
        checkWish(mine, wish, clock.now(), key);
        const after = await keys.changeKey(tx, id, {
          name: wish.name,
          models: wish.models === null ? null : [...wish.models],
          spend_cap_micros: wish.spendCapMicros,
          expires_at: wish.expiresAt,
        });
        const details = { before: rightsOf(key), after: rightsOf(after) };
        await audit(tx, by, { action: 'key.changed', subjectId: id, details });
        return after;
      });
      return shown(changed);
    },

    async rotate(by, id, overlapSeconds) {
      let secret = '';
      const made = await act(by, id, async (tx, key, mine) => {
        refuseDead(key);
        checkRotation(mine, key);
        const successor = await keys.findSuccessor(tx, id);
        if (successor !== undefined) {
          throw new AppError('key_not_active', { message: `The API key has been replaced by ${successor}.` });
        }
        const { user_id, owner_id, name, scopes, models, spend_cap_micros, expires_at } = key;
        const rights = { user_id, owner_id, name, scopes, models, spend_cap_micros, expires_at };
        const line = { rotated_from: id, family_id: key.family_id ?? id };
        const added = await add(tx, { ...rights, ...line });
        ({ secret } = added);
        const now = clock.now();
        const end = Math.min(expires_at?.getTime() ?? Infinity, now + overlapSeconds * 1000);
        await keys.changeKey(
          tx,
          id,
          overlapSeconds === 0 ? { revoked_at: new Date(now) } : { expires_at: new Date(end) },
        );
        const details = { replacedBy: added.key.id, overlapSeconds };
        await audit(tx, by, { action: 'key.rotated', subjectId: id, details });
        return added.key;
      });
      return { ...(await shown(made)), secret };
    },

    async revoke(by, id) {
      const revoked = await act(by, id, async (tx, key) => {
        // The moment of the first time stands.
        if (key.revoked_at) return key;
        const after = await keys.changeKey(tx, id, { revoked_at: new Date(clock.now()) });
        await audit(tx, by, { action: 'key.revoked', subjectId: id, details: { name: key.name } });
        return after;
      });
      return shown(revoked);
    },
  };

  /** Whose library a new key is for. Throws `not_found` for a team that is not the caller's, `forbidden` for members. */
  async function ownerFor(caller: Principal, teamId: string | undefined): Promise<string> {
    const ownerId = teamId ?? caller.ownerId;
    // A team's key stays with its team.
    const isBound = caller.keyId !== null && caller.ownerId !== caller.userId;
    const isReached = !isBound || caller.ownerId === ownerId;
    if (isReached && ownerId === caller.userId) return ownerId;
    const role = isReached ? await findRole(db, ownerId, caller.userId) : undefined;
    if (role === undefined)
      throw new AppError('not_found', { message: 'There is no such team.', param: 'teamId' });
    if (role === 'member') {
      throw new AppError('forbidden', { message: 'Only owners and admins of a team make keys for it.' });
    }
    return ownerId;
  }
}

type Made = 'id' | 'prefix' | 'created_at' | 'revoked_at' | 'last_used_at';
interface Entry {
  action: string;
  subjectId: string;
  details: JsonObject;
}

function rightsOf(key: KeyRow): JsonObject {
  return {
    name: key.name,
    scopes: key.scopes,
    models: key.models,
    spendCapMicros: key.spend_cap_micros,
    expiresAt: key.expires_at?.toISOString() ?? null,
  };
}

/** What was said at all: undefined leaves a thing as it is. */
function given<Fields extends object>(fields: Fields): Partial<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<Fields>;
}
