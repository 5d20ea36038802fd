import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Outbound } from '../core/outbound.ts';
import type { Secret } from '../core/secret.ts';
import type { DB } from '../database/schema.ts';
import { appendAudit } from './audit.repository.ts';
import { type Auth, createAuth } from './auth.ts';
import { createMailer, type Mailer } from './mail.ts';
import { isEnabled } from './people.repository.ts';
import { createSessions, type Sessions } from './sessions.ts';
import type { SignInProviderOptions } from './sign-in-providers.ts';
import { admitStranger, welcomeStranger } from './sign-up.ts';
import { createThrottle, type Throttle } from './throttle.ts';

export type SignUpMode = 'open' | 'invite' | 'closed';

export interface AccountsOptions {
  db: Kysely<DB>;
  clock: Clock;
  log: Log;
  outbound: Outbound;
  secret: Secret;
  signUp: SignUpMode;
  mail: { smtpUrl: Secret | undefined; from: string };
  providers: readonly SignInProviderOptions[];
  publicUrl: string | undefined;
  /** What links begin with where no PUBLIC_URL is set. */
  localUrl: string;
}

/** What the parts of accounts share. */
export interface Accounts {
  db: Kysely<DB>;
  clock: Clock;
  log: Log;
  auth: Auth;
  sessions: Sessions;
  throttle: Throttle;
  mailer: Mailer;
  signUp: SignUpMode;
  providers: readonly Pick<SignInProviderOptions, 'id' | 'name' | 'kind'>[];
  publicUrl: string | undefined;
  /** What links begin with, without a slash at the end. */
  baseUrl: string;
  /** Goes on with something after the answer, so that its time tells nothing. */
  afterwards(work: () => Promise<void>): void;
  /** Resolves once all of that is done. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function createAccounts(options: AccountsOptions): Promise<Accounts> {
  const { db, clock, log, outbound, secret, signUp, providers, publicUrl } = options;
  const baseUrl = (publicUrl ?? options.localUrl).replace(/\/+$/, '');
  const mailer = createMailer({ ...options.mail, log });
  const now = () => new Date(clock.now());
  const auth = await createAuth({
    db,
    clock,
    log,
    outbound,
    secret,
    baseUrl,
    providers,
    hooks: {
      admitStranger: (person) => admitStranger({ db, signUp }, person, now()),
      onStranger: (user, via) => welcomeStranger(db, user, via, now()),
      isEnabled: (userId) => isEnabled(db, userId),
      onSession: async ({ id, userId, via, address }) =>
        appendAudit(
          db,
          { actorId: userId, credentialId: id, address, action: 'session.started', details: { via } },
          now(),
        ),
      sendReset: (user, token) =>
        mailer.send({
          to: user.email,
          subject: 'A new password for Sora Studio',
          text: 'Somebody, probably you, asked for a new password. Choose one here within an hour:',
          link: `${baseUrl}/reset-password#token=${token}`,
        }),
      async onReset(userId) {
        await appendAudit(db, { actorId: userId, action: 'password.reset', subjectId: userId }, now());
      },
    },
  });
  const sessions = createSessions({ db, clock, cookieName: auth.cookieName, secret, publicUrl });
  const pending = new Set<Promise<void>>();

  return {
    db,
    clock,
    log,
    auth,
    sessions,
    throttle: createThrottle({ db, clock }),
    mailer,
    signUp,
    providers,
    publicUrl,
    baseUrl,
    afterwards(work) {
      const done = work()
        .catch((error: unknown) => log.error({ error: errorText(error) }, 'work after an answer failed'))
        .finally(() => pending.delete(done));
      pending.add(done);
    },
    settled: async () => void (await Promise.all(pending)),
    async close() {
      await Promise.all(pending);
      mailer.close();
    },
  };
}
