import ipaddr from 'ipaddr.js';
import { errorText } from './core/errors.ts';
import { Secret } from './core/secret.ts';
import { type FaultRates, parseFaultRates } from './providers/simulator/faults.ts';
import { parseBytes, parseTagRules } from './retention/rules.ts';
import { isKey } from './storage/key.ts';

/** How one setting's text becomes a value. Throws an Error whose message completes "NAME must be …". */
type Parse<T> = (text: string) => T;

/** One setting: what it means, how it is read, what holds without it. */
export interface Setting<T> {
  /** One sentence, for docs and `.env.example`. */
  about: string;
  parse: Parse<T>;
  /** The value when the variable is unset or empty. */
  fallback: T;
}

const text: Parse<string> = (value) => value;

function integer(min: number, max: number): Parse<number> {
  return (value) => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    throw new Error(`a whole number from ${min} to ${max}`);
  };
}

function decimal(min: number, max: number): Parse<number> {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && number >= min && number <= max) return number;
    throw new Error(`a number from ${min} to ${max}`);
  };
}

function oneOf<const T extends string>(...values: T[]): Parse<T> {
  return (value) => {
    const found = values.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw new Error(`one of: ${values.join(', ')}`);
  };
}

const flag: Parse<boolean> = (value) => {
  if (['true', '1', 'yes', 'on'].includes(value.toLowerCase())) return true;
  if (['false', '0', 'no', 'off'].includes(value.toLowerCase())) return false;
  throw new Error('true or false');
};

function url(...protocols: string[]): Parse<string> {
  return (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (parsed && protocols.includes(parsed.protocol)) return value;
    throw new Error(`a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`);
  };
}

const list: Parse<string[]> = (value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const aliases: Parse<Record<string, string>> = (value) =>
  Object.fromEntries(
    list(value).map((pair) => {
      const [alias, model, ...rest] = pair.split('=').map((part) => part.trim());
      if (!alias || !model || rest.length > 0)
        throw new Error('a list such as sora-2=model,sora-2-pro=other');
      return [alias, model];
    }),
  );

const faults: Parse<FaultRates> = (value) => {
  try {
    return parseFaultRates(value);
  } catch (error) {
    throw new Error(`a list such as 429=0.1,lost-answer=0.02 (${errorText(error)})`, { cause: error });
  }
};

const tagRules: Parse<Record<string, number>> = (value) => {
  try {
    return parseTagRules(value);
  } catch (error) {
    throw new Error(`a list such as temp=7,keep=never (${errorText(error)})`, { cause: error });
  }
};

const bytes: Parse<number> = (value) => {
  try {
    return parseBytes(value);
  } catch (error) {
    throw new Error('a size such as 500GB or 1.5TiB', { cause: error });
  }
};

function accessKey(value: string): Secret {
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error('made of printable ASCII characters without spaces');
  return new Secret(value);
}

function secretOf(minLength: number): Parse<Secret> {
  return (value) => {
    if (value.length < minLength) throw new Error(`at least ${minLength} characters long`);
    return accessKey(value);
  };
}

const proxies: Parse<string[]> = (value) =>
  list(value).map((each) => {
    if (each === 'loopback' || ipaddr.isValid(each) || ipaddr.isValidCIDR(each)) return each;
    throw new Error('a list of addresses and networks such as 10.0.0.0/8, or loopback');
  });

const smtpUrl: Parse<Secret> = (value) => new Secret(url('smtp:', 'smtps:')(value));

const bucket: Parse<string> = (value) => {
  if (/^[\w.-]{3,255}$/.test(value)) return value;
  throw new Error('the name of a bucket');
};

const prefix: Parse<string> = (value) => {
  const trimmed = value.replaceAll(/^\/+|\/+$/g, '');
  if (isKey(trimmed)) return trimmed;
  throw new Error('made of letters, digits, -, _, . and /');
};

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
  TRUSTED_PROXIES: setting<string[]>(
    'Proxies whose X-Forwarded-For is believed, as addresses, networks or `loopback`.',
    proxies,
    ['loopback'],
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
  OPENAI_API_KEY: optional('Key for the connection `openai`.', accessKey),
  OPENAI_BASE_URL: optional('Any /v1/videos server, as the connection `openai`.', url('http:', 'https:')),
  OPENAI_MODELS: setting<string[]>('Models of that server; unset: what it says it has.', list, []),
  OPENAI_TIMEOUT: setting('Longest wait for that server, in ms.', integer(100, 600_000), 30_000),
  OPENAI_MAX_RETRIES: setting(
    'How often a job is offered again when the server surely did not take it.',
    integer(0, 100),
    3,
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
