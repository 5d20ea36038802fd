import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';
import type { Kysely } from 'kysely';
import { AppError } from '../core/errors.ts';
import { asObject } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import type { VerifyToken } from './authenticate.ts';
import { createIssuerKeys, type IssuerKeysParts } from './jwt-keys.ts';
import { findOrAddOutsider } from './jwt.repository.ts';
import { ALL_SCOPES } from './principal.ts';

/** An outside issuer whose tokens are credentials here. */
export interface JwtConfig {
  issuer: string;
  jwksUrl: string;
  audience: string;
  /** The claim, and the values of it that make somebody an administrator. */
  adminClaim: { name: string; values: string[] } | undefined;
}

/** No secret is shared with the issuer, so nothing signed with one can be its: only public keys verify. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** How much the issuer's clock may be ahead or behind, in seconds. */
const TOLERANCE_SECONDS = 30;
const MAX_SUBJECT = 255;

/**
 * Accepts tokens of the issuer: its signature, its audience, an expiry that has not passed. Whoever a `sub` is becomes a
 * user at first sight. The administrator's claim is judged with each token.
 */
export function createVerifyToken({
  issuer,
  jwksUrl,
  audience,
  adminClaim,
  db,
  ...parts
}: JwtConfig & Omit<IssuerKeysParts, 'url'> & { db: Kysely<DB> }): VerifyToken {
  const { clock } = parts;
  const issuerKeys = createIssuerKeys({ url: jwksUrl, ...parts });

  async function payloadOf(token: string): Promise<JWTPayload | undefined> {
    const options = {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(clock.now()),
    };
    try {
      return await verifyWithAny(token, issuerKeys, options);
    } catch (error) {
      if (error instanceof AppError) throw error;
      // Whatever is wrong with it: jose's own errors, and those of the platform about keys that fit no algorithm.
      return undefined;
    }
  }

  return async (token) => {
    const payload = await payloadOf(token);
    const { sub, exp } = payload ?? {};
    if (!payload || typeof sub !== 'string' || exp === undefined) return undefined;
    if (sub === '' || sub.length > MAX_SUBJECT || sub.includes('\u0000')) return undefined;
    const outsider = { issuer, subject: sub, name: nameIn(payload) ?? sub };
    const user = await findOrAddOutsider(db, outsider, new Date(clock.now()));
    if (user.isDisabled) return undefined;
    const isAdminByToken = adminClaim !== undefined && hasClaim(payload, adminClaim);
    return {
      principal: {
        userId: user.id,
        ownerId: user.id,
        role: user.role === 'admin' || isAdminByToken ? 'admin' : 'user',
        isAdminByToken,
        scopes: ALL_SCOPES,
        // Of one person all tokens are one: they come and go by the minute.
        credentialId: `jwt_${user.id}`,
        keyId: null,
        models: null,
      },
      expiresAt: new Date((exp + TOLERANCE_SECONDS) * 1000),
    };
  };
}

/** A token that does not say which key signed it is tried with all that could have. */
async function verifyWithAny(
  token: string,
  keys: JWTVerifyGetKey,
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (failed) {
        if (!(failed instanceof errors.JWSSignatureVerificationFailed)) throw failed;
      }
    }
    throw error;
  }
}

function nameIn({ name, preferred_username: username }: JWTPayload): string | undefined {
  const found = [name, username].find((value) => typeof value === 'string' && value.trim() !== '');
  return found === undefined ? undefined : String(found).replaceAll('\u0000', '').slice(0, 200);
}

/** A claim by its name, or by the way to it (`realm_access.roles`); its value, or one in its list, is among those wanted. */
function hasClaim(payload: JWTPayload, { name, values }: { name: string; values: string[] }): boolean {
  const found = Object.hasOwn(payload, name)
    ? payload[name]
    : name.split('.').reduce<unknown>((value, part) => {
        const object = asObject(value);
        return object && Object.hasOwn(object, part) ? object[part] : undefined;
      }, payload);
  return [found]
    .flat()
    .some((value) => ['string', 'boolean'].includes(typeof value) && values.includes(String(value)));
}
