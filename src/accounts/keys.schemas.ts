import { type Static, Type } from 'typebox';
import { microsToUsd } from '../core/money.ts';
import { Nullable } from '../http/schemas.ts';
import type { MadeKey, ShownKey } from './keys.ts';
import { type Scope, SCOPES } from './principal.ts';

const strict = { additionalProperties: false } as const;

const ScopeName = Type.Unsafe<Scope>({ type: 'string', enum: [...SCOPES] });
const Name = Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\u0000-\\u001f\\u007f]+$' });
const Models = Nullable(
  Type.Array(Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]+$' }), {
    minItems: 1,
    maxItems: 100,
    uniqueItems: true,
    description: 'The only models it may ask for, by name or alias; null: every one.',
  }),
);
const SpendCap = Nullable(
  Type.Number({
    minimum: 0,
    maximum: 10_000_000,
    description: 'The most it may spend altogether, to the micro-dollar; null: no cap of its own.',
  }),
);
const Expiry = Nullable(
  Type.String({ format: 'date-time', description: 'It stops working then; null: never.' }),
);

export const NewKeyBody = Type.Object(
  {
    name: Name,
    scopes: Type.Optional(
      Type.Array(ScopeName, {
        minItems: 1,
        uniqueItems: true,
        description: 'No more than your own; left out: reading and writing videos.',
      }),
    ),
    models: Type.Optional(Models),
    spendCapUsd: Type.Optional(SpendCap),
    expiresAt: Type.Optional(Expiry),
    teamId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'A team whose library and budget it is for; you must be its owner or admin.',
      }),
    ),
  },
  { ...strict, title: 'NewKey' },
);

export const PatchKeyBody = Type.Object(
  {
    name: Type.Optional(Name),
    models: Type.Optional(Models),
    spendCapUsd: Type.Optional(SpendCap),
    expiresAt: Type.Optional(Expiry),
  },
  { ...strict, minProperties: 1, title: 'KeyChange' },
);

export const RotateBody = Type.Object(
  {
    overlapSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 30 * 24 * 3600,
        default: 0,
        description: 'How long the old key goes on working beside the new one; 0: not at all.',
      }),
    ),
  },
  { ...strict, title: 'KeyRotation' },
);

export const KeyId = Type.Object({ keyId: Type.String({ maxLength: 100 }) });

export const KeysQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 })),
    after: Type.Optional(Type.String({ maxLength: 100, description: 'The last key of the page before.' })),
  },
  strict,
);

const Time = Type.String({ format: 'date-time' });

const fields = {
  id: Type.String(),
  name: Type.String(),
  prefix: Type.String({ description: 'How the key begins.' }),
  ownerId: Type.String({ description: 'Whose library and budget it is for: yours, or a team’s.' }),
  scopes: Type.Array(Type.String()),
  models: Nullable(Type.Array(Type.String())),
  spendCapUsd: Nullable(Type.Number()),
  spentUsd: Type.Number({
    description: 'Charges, and what is held for running videos; of the keys it took the place of, too.',
  }),
  expiresAt: Nullable(Time),
  createdAt: Time,
  lastUsedAt: Nullable(Type.String({ format: 'date-time', description: 'To the minute.' })),
  revokedAt: Nullable(Time),
  rotatedFrom: Nullable(Type.String({ description: 'The key whose place it took.' })),
};

export const KeySchema = Type.Object(fields, { title: 'Key' });
export const MadeKeySchema = Type.Object(
  { ...fields, key: Type.String({ description: 'The key itself, shown this once.' }) },
  { title: 'MadeKey' },
);

export function viewKey({ key, spentMicros }: ShownKey): Static<typeof KeySchema> {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    ownerId: key.owner_id,
    scopes: key.scopes,
    models: key.models,
    spendCapUsd: key.spend_cap_micros === null ? null : microsToUsd(key.spend_cap_micros),
    spentUsd: microsToUsd(spentMicros),
    expiresAt: key.expires_at?.toISOString() ?? null,
    createdAt: key.created_at.toISOString(),
    lastUsedAt: key.last_used_at?.toISOString() ?? null,
    revokedAt: key.revoked_at?.toISOString() ?? null,
    rotatedFrom: key.rotated_from,
  };
}

export function viewMadeKey(made: MadeKey): Static<typeof MadeKeySchema> {
  return { ...viewKey(made), key: made.secret };
}
