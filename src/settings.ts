import type { FaultRates } from './providers/simulator/faults.ts';

import {
  text,
  integer,
  decimal,
  oneOf,
  flag,
  url,
  list,
  aliases,
  faults,
  tagRules,
  bytes,
  timeZone,
  accessKey,
  proxies,
  secretUrl,
  claim,
  secretOf,
  smtpUrl,
  bucket,
  redisPrefix,
  prefix,
  type Parse,
} from './settings-parsers.ts';

/** One setting: what it means, how it is read, what holds without it. */
export interface Setting<T> {
  /** One sentence, for docs and `.env.example`. */
  about: string;
  parse: Parse<T>;
  /** The value when the variable is unset or empty. */
  fallback: T;
}

function setting<T>(about: string, parse: Parse<T>, fallback: T): Setting<T> {
  return { about, parse, fallback };
}

function optional<T>(about: string, parse: Parse<T>): Setting<T | undefined> {
  return { about, parse, fallback: undefined };
}

const MINUTE_MS = 60_000;

/** Every setting there is. The order is the order of the docs. */
export const SETTINGS = {
  PORT: setting('Port to listen on; 0 takes a free one.', integer(0, 65_535), 3000),
  HOST: setting('Address to listen on; 0.0.0.0 opens it to the network.', text, '127.0.0.1'),
  PUBLIC_URL: optional(
    'The address people reach this server by, as the API document names it.',
    url('http:', 'https:'),
  ),
  DATA_DIR: setting('Folder for the embedded database, videos and the generated key.', text, './data'),
  LOG_LEVEL: setting(
    'Least important log line to write.',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
  ),
  LOG_PRETTY: optional('Human-readable logs; unset: when the output is a terminal.', flag),
  DATABASE_URL: optional(
    'A PostgreSQL database; unset: an embedded PostgreSQL in DATA_DIR.',
    url('postgres:', 'postgresql:'),
  ),
  DATABASE_POOL_MAX: setting('Most database connections of one process.', integer(2, 200), 10),
  ROLE: setting(
    'all: everything; api: HTTP only; worker: the engine only.',
    oneOf('all', 'api', 'worker'),
    'all',
  ),
  STORAGE_PROVIDER: setting('Where finished videos are kept.', oneOf('local', 's3'), 'local'),
  S3_BUCKET: optional('The bucket, which must exist.', bucket),
  S3_REGION: setting('The region of the bucket.', text, 'us-east-1'),
  S3_ENDPOINT: optional('Address of an S3-compatible store; unset: Amazon S3.', url('http:', 'https:')),
  S3_PREFIX: setting(
    'What the names of all objects begin with, for a bucket that others use too.',
    prefix,
    '',
  ),
  AWS_ACCESS_KEY_ID: optional('Access key; unset: what the AWS SDK finds, such as a role.', accessKey),
  AWS_SECRET_ACCESS_KEY: optional('The secret that belongs to it.', accessKey),
  AWS_SESSION_TOKEN: optional('The token of keys that are valid for a while only.', accessKey),
  S3_DOWNLOADS: setting(
    'proxy: files pass through this server; links: clients are sent to the store with a signed link.',
    oneOf('proxy', 'links'),
    'proxy',
  ),
  S3_LINK_SECONDS: setting('How long such a link is valid, in seconds.', integer(10, 7 * 24 * 3600), 300),
  API_KEY: optional('An admin API key that exists from the first start; unset: one is generated.', accessKey),
  SIGN_UP: setting(
    'Who may become a user: open: everybody with an address; invite: whom an admin invites; closed: nobody.',
    oneOf('open', 'invite', 'closed'),
    'invite',
  ),
  AUTH_SECRET: optional(
    'What the cookies of sessions are signed with, the same on every machine; unset: generated and kept in DATA_DIR.',
    secretOf(32),
  ),
  SMTP_URL: optional(
    'The mail server, such as smtps://user:password@mail.example.com; unset: links are logged instead of mailed.',
    smtpUrl,
  ),
  MAIL_FROM: setting('The sender of mails.', text, 'Sora Studio <sora-studio@localhost>'),
  OIDC_ISSUER: optional(
    'An OpenID Connect issuer to sign in with; needs PUBLIC_URL.',
    url('http:', 'https:'),
  ),
  OIDC_CLIENT_ID: optional('The client that the issuer knows this server as.', text),
  OIDC_CLIENT_SECRET: optional('The secret of that client; unset for a public one.', accessKey),
  OIDC_NAME: setting('What people know that issuer as.', text, 'Single sign-on'),
  OIDC_TRUST_EMAILS: setting(
    'Believe every address that issuer names, for one of your own that does not say email_verified, such as Entra ID.',
    flag,
    false,
  ),
  GOOGLE_CLIENT_ID: optional('Signing in with Google: the id of an OAuth client; needs PUBLIC_URL.', text),
  GOOGLE_CLIENT_SECRET: optional('The secret of that client.', accessKey),
  GITHUB_CLIENT_ID: optional('Signing in with GitHub: the id of an OAuth app; needs PUBLIC_URL.', text),
  GITHUB_CLIENT_SECRET: optional('The secret of that app.', accessKey),
  GITHUB_URL: setting(
    'Another address for a GitHub Enterprise Server.',
    url('http:', 'https:'),
    'https://github.com',
  ),
  OPENAI_API_KEY: optional('Key for the connection `openai`.', accessKey),
  OPENAI_BASE_URL: optional('Any /v1/videos server, as the connection `openai`.', url('http:', 'https:')),
  OPENAI_MODELS: setting<string[]>('Models of that server; unset: what it says it has.', list, []),
  OPENAI_TIMEOUT: setting('Longest wait for that server, in ms.', integer(100, 600_000), 30_000),
  OPENAI_MAX_RETRIES: setting(
    'How often a job is offered again when the server surely did not take it.',
    integer(0, 100),
    3,
  ),
  OPENAI_PRICE_PER_SECOND: optional(
    'USD that a second of video costs there, where the server names no price; 0: free, as on a machine of your own.',
    decimal(0, 1000),
  ),
  UNPRICED_MODELS: setting(
    'A model of which nobody has said what it costs: refuse its videos, or allow them as if they were free.',
    oneOf('refuse', 'allow'),
    'refuse',
  ),
  QUOTA_TIME_ZONE: setting(
    'Where the days and months of quotas begin, such as Europe/Berlin. The same for all machines.',
    timeZone,
    'UTC',
  ),
  WHEN_UNCONFIRMED: setting(
    'When nobody can find out whether a provider took a job: ask an operator, resend (it may be paid twice), or fail.',
    oneOf('ask', 'resend', 'fail'),
    'ask',
  ),
  PROVIDERS_FILE: optional('JSON file of named connections: dialects, limits, prices, aliases.', text),
  DEFAULT_MODEL: optional('Model for requests that name none.', text),
  MODEL_ALIASES: setting<Record<string, string>>('Other names for models: `sora-2=my-model,…`.', aliases, {}),
  SIMULATOR: optional('The built-in simulator, as the model `simulator`.', flag),
  SIMULATOR_SPEED: setting('1: lifelike; 10: ten times as fast; 0: at once.', decimal(0, 1000), 1),
  SIMULATOR_FAULTS: setting<FaultRates>(
    'Faults by probability, such as `429=0.1,lost-answer=0.02`.',
    faults,
    {},
  ),
  MAX_RUNNING: setting('Most videos in work at once, for each connection.', integer(1, 100_000), 5),
  BATCH_MAX_VIDEOS: setting('Most videos in one batch.', integer(1, 1000), 10),
  JOB_DEADLINE: setting(
    'After this long in work a job counts as overdue and is asked for less often, in ms.',
    integer(1000, 7 * 24 * 60 * MINUTE_MS),
    60 * MINUTE_MS,
  ),
  JOB_GIVE_UP: setting(
    'After this long in work a job fails, in ms.',
    integer(1000, 30 * 24 * 60 * MINUTE_MS),
    24 * 60 * MINUTE_MS,
  ),
  DRAIN_TIMEOUT: optional(
    'How long a stop waits for the answers to paid calls, in ms; unset: the longest time-out of a connection and 10 s.',
    integer(0, 15 * MINUTE_MS),
  ),
  RETENTION_DAYS: optional(
    'Finished videos are deleted this many days after they finished; unset: never.',
    integer(1, 36_500),
  ),
  RETENTION_MAX_BYTES: optional(
    'The oldest videos are deleted until all of them together take no more than this; unset: no limit.',
    bytes,
  ),
  RETENTION_TAGS: setting<Record<string, number>>(
    'Days by tag instead of RETENTION_DAYS, or never; the longest of a video’s tags holds.',
    tagRules,
    {},
  ),
  TRASH_DAYS: setting('Videos in the trash are deleted after this many days.', integer(0, 36_500), 30),
  ASSET_DAYS: setting(
    'Reference images that no video names are deleted this many days after their last use.',
    integer(1, 36_500),
    30,
  ),
  LINEAGE_MAX_DEPTH: setting(
    'How many steps of remix, edit, extend and retry a video may be away from its first one.',
    integer(1, 10_000),
    50,
  ),
  BODY_LIMIT: setting('Largest request body, in bytes.', integer(1024, 1024 ** 3), 25 * 1024 ** 2),
  IMPORT_LIMIT: setting(
    'Most bytes of an archive that is imported, and of what comes out of it.',
    integer(1024, 1024 ** 5),
    20 * 1024 ** 3,
  ),
  ASSET_ALLOW_PRIVATE: setting(
    'Reference images may be fetched from private addresses too, such as an image host in your own network.',
    flag,
    false,
  ),
  RATE_LIMIT_MAX: setting('Requests of one key in one window.', integer(1, 1_000_000_000), 1000),
  RATE_LIMIT_WINDOW: setting('That window, in ms.', integer(100, 24 * 60 * MINUTE_MS), MINUTE_MS),
  CREATE_LIMIT_MAX: setting('Creating requests of one key in one window.', integer(1, 1_000_000_000), 60),
  CREATE_LIMIT_WINDOW: setting('That window, in ms.', integer(100, 24 * 60 * MINUTE_MS), MINUTE_MS),
  USER_LIMIT_FACTOR: setting(
    'All keys and sessions of one person together may do this many times what one of them may.',
    decimal(1, 1_000_000),
    2,
  ),
  AUTH_FAILURES_MAX: setting(
    'Invalid credentials from one network address in a minute, before it is refused without a look.',
    integer(1, 1_000_000_000),
    30,
  ),
  REDIS_URL: optional(
    'A Redis in which several processes count their limits together; unset: each counts for itself.',
    secretUrl('redis:', 'rediss:'),
  ),
  REDIS_PREFIX: setting('What the names of all keys in that Redis begin with.', redisPrefix, 'sora:'),
  TRUST_PROXY: setting<boolean | string[]>(
    'Proxies before this server whose X-Forwarded-For is believed; true believes everybody.',
    proxies,
    false,
  ),
  JWT_ISSUER: optional(
    'An issuer (`iss`) whose tokens are accepted as credentials; needs the next two.',
    text,
  ),
  JWT_JWKS_URL: optional('Where that issuer publishes its keys.', url('http:', 'https:')),
  JWT_AUDIENCE: optional('What its tokens for this server have as `aud`.', text),
  JWT_ADMIN_CLAIM: optional(
    'The claim and the values of it that make somebody an administrator, such as `role=admin`.',
    claim,
  ),
} as const;

export type Settings = { -readonly [Name in keyof typeof SETTINGS]: (typeof SETTINGS)[Name]['fallback'] };

/** Reads every setting from a record of texts. Returns all values and all problems, never just the first. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): {
  settings: Settings;
  problems: string[];
} {
  const problems: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [name, { parse, fallback }] of Object.entries(SETTINGS) as [string, Setting<unknown>][]) {
    const value = env[name]?.trim();
    settings[name] = fallback;
    if (value === undefined || value === '') continue;
    try {
      settings[name] = parse(value);
    } catch (error) {
      problems.push(`${name} must be ${(error as Error).message}.`);
    }
  }
  return { settings: settings as Settings, problems };
}
