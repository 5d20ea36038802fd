import { APIError } from 'better-auth/api';
import { betterAuth, type BetterAuthOptions } from 'better-auth';
import type { GenericEndpointContext } from 'better-auth';
import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { type IdPrefix, newId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Outbound } from '../core/outbound.ts';
import type { Secret } from '../core/secret.ts';
import type { DB } from '../database/schema.ts';
import { createAuthAdapter } from './auth-adapter.ts';
import { createSignInProvider, type SignInProviderOptions } from './sign-in-providers.ts';

/** The header in which better-auth is told where a request comes from; what clients send under this name is not passed on. */
export const ADDRESS_HEADER = 'x-sora-address';
export const PASSWORD_MIN = 10;
export const PASSWORD_MAX = 128;
const DAY_S = 24 * 3600;
export const SESSION_DAYS = 30;
const RESET_SECONDS = 3600;

export interface AuthHooks {
  /** Called before an issuer's person becomes a user. Throws when they may not. */
  admitStranger(person: { email: string; emailVerified: boolean }): Promise<void>;
  onStranger(user: { id: string; email: string }, via: string): Promise<void>;
  /** Whether this person may have sessions. */
  isEnabled(userId: string): Promise<boolean>;
  onSession(session: {
    id: string;
    userId: string;
    /** `password`, or the id of a provider. */
    via: string;
    address: string | null;
  }): Promise<void>;
  sendReset(user: { id: string; email: string }, token: string): Promise<void>;
  onReset(userId: string): Promise<void>;
}

export interface AuthParts {
  db: Kysely<DB>;
  clock: Clock;
  log: Log;
  outbound: Outbound;
  secret: Secret;
  baseUrl: string;
  providers: readonly SignInProviderOptions[];
  hooks: AuthHooks;
}

const PREFIXES: Record<string, IdPrefix> = {
  user: 'usr',
  session: 'session',
  account: 'acc',
  verification: 'ver',
};

/** better-auth on our tables. Its routes are not served: ours call its functions one by one. */
export async function createAuth(parts: AuthParts) {
  const options = authOptions(parts);
  const auth = betterAuth({ ...options, database: await createAuthAdapter(parts.db, options) });
  const context = await auth.$context;
  return { api: auth.api, password: context.password, cookieName: context.authCookies.sessionToken.name };
}

export type Auth = Awaited<ReturnType<typeof createAuth>>;

function authOptions({ clock, log, outbound, secret, baseUrl, providers, hooks }: AuthParts) {
  return {
    appName: 'Sora Studio',
    // With its path: else a PUBLIC_URL that has one of its own would be taken for the whole.
    baseURL: `${baseUrl}/api/v1/auth`,
    basePath: '/api/v1/auth',
    secret: secret.reveal(),
    telemetry: { enabled: false },
    // Addresses and tokens are in some of its messages: only that something happened is taken over.
    logger: {
      level: 'error',
      log: (level, message) => log.debug({ level, message: message.slice(0, 60) }, 'better-auth'),
    },
    rateLimit: { enabled: false },
    user: {
      modelName: 'users',
      fields: { emailVerified: 'email_verified', createdAt: 'created_at', updatedAt: 'updated_at' },
    },
    session: {
      modelName: 'sessions',
      expiresIn: SESSION_DAYS * DAY_S,
      updateAge: DAY_S,
      fields: {
        userId: 'user_id',
        token: 'token_hash',
        expiresAt: 'expires_at',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
        ipAddress: 'address',
        userAgent: 'user_agent',
      },
    },
    account: {
      modelName: 'accounts',
      fields: {
        userId: 'user_id',
        providerId: 'provider_id',
        accountId: 'account_id',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
      },
      updateAccountOnSignIn: false,
      // Who proves a verified address at the issuer is whoever proved the same address here.
      accountLinking: { enabled: true, trustedProviders: [] },
    },
    verification: {
      modelName: 'verifications',
      storeIdentifier: 'hashed',
      fields: { expiresAt: 'expires_at', createdAt: 'created_at', updatedAt: 'updated_at' },
    },
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: PASSWORD_MIN,
      maxPasswordLength: PASSWORD_MAX,
      resetPasswordTokenExpiresIn: RESET_SECONDS,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: ({ user, token }) => hooks.sendReset(user, token),
      onPasswordReset: ({ user }) => hooks.onReset(user.id),
    },
    advanced: {
      cookiePrefix: 'sora',
      useSecureCookies: baseUrl.startsWith('https:'),
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      database: { generateId: ({ model }) => newId(PREFIXES[model] ?? 'ver') },
    },
    databaseHooks: {
      user: {
        create: {
          before: (user) => hooks.admitStranger(user),
          after: (user, context) => hooks.onStranger(user, wayOf(context)),
        },
      },
      account: {
        // An issuer's tokens are of no further use here.
        create: {
          before: async ({ userId, providerId, accountId, password, createdAt, updatedAt }) => {
            const kept = { userId, providerId, accountId, password, createdAt, updatedAt };
            const dropped = { idToken: undefined, accessToken: undefined, refreshToken: undefined };
            return { data: { ...kept, ...dropped, scope: undefined } };
          },
        },
      },
      session: {
        create: {
          before: async ({ userId }) => {
            if (!(await hooks.isEnabled(userId)))
              throw new APIError('FORBIDDEN', { code: 'account_disabled' });
          },
          after: ({ id, userId, ipAddress }, context) => {
            return hooks.onSession({ id, userId, via: wayOf(context), address: ipAddress ?? null });
          },
        },
      },
    },
    plugins: [
      {
        id: 'sora-providers',
        init: () => ({
          context: {
            socialProviders: providers.map((provider) =>
              createSignInProvider(provider, { outbound, clock, log }),
            ),
          },
        }),
      },
    ],
  } satisfies BetterAuthOptions;
}

/** `password`, or the id of the provider whose callback it was. */
function wayOf(context: Pick<GenericEndpointContext, 'path' | 'params'> | null): string {
  return (context?.path?.startsWith('/callback') && context.params?.id) || 'password';
}
