import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { JwtConfig } from './accounts/jwt.ts';
import type { SignInProviderOptions } from './accounts/sign-in-providers.ts';
import { Secret } from './core/secret.ts';
import type { WhenUnconfirmed } from './providers/catalog.ts';
import type { DialectName } from './providers/openai-videos/dialects.ts';
import type { FaultRates } from './providers/simulator/faults.ts';
import { readProvidersFile, type FileModel } from './providers-file.ts';
import type { RetentionRules } from './retention/rules.ts';
import { readSettings, type Settings } from './settings.ts';
import { readSignInProviders } from './sign-in-config.ts';
import type { StorageConfig } from './storage/open-storage.ts';
import { readStorageConfig } from './storage-config.ts';

/** Everything the environment decides, checked and frozen. Each part is handed its slice. */
export interface Config {
  /** Every setting as it was read, for admins to look at. */
  settings: Settings;
  role: Settings['ROLE'];
  dataDir: string;
  http: {
    host: string;
    port: number;
    publicUrl: string | undefined;
    bodyLimitBytes: number;
    rateLimit: Limit;
    createLimit: Limit;
    /** Invalid credentials of one address in a minute. */
    attemptsMax: number;
    trustProxy: Settings['TRUST_PROXY'];
    redis: { url: Secret; prefix: string } | undefined;
  };
  log: { level: Settings['LOG_LEVEL']; pretty: boolean | undefined };
  database: { url: string | undefined; maxConnections: number };
  storage: StorageConfig;
  apiKey: Secret | undefined;
  /** Whose tokens are accepted beside our own keys. */
  jwt: JwtConfig | undefined;
  accounts: {
    signUp: Settings['SIGN_UP'];
    secret: Secret | undefined;
    mail: { smtpUrl: Secret | undefined; from: string };
    /** With whose accounts one can sign in, beside passwords. */
    providers: SignInProviderOptions[];
  };
  simulator: { enabled: boolean; speed: number; faults: FaultRates; maxRunning: number };
  connections: ConnectionConfig[];
  defaultModel: string | undefined;
  aliases: Record<string, string>;
  unpricedModels: Settings['UNPRICED_MODELS'];
  quotaZone: string;
  /** Most videos in one batch. */
  batchMaxVideos: number;
  deadlines: { overdueMs: number; giveUpMs: number };
  /** How long a stop waits at the most for the answers to paid calls, in ms. */
  drainMs: number;
  importLimitBytes: number;
  lineageMaxDepth: number;
  assets: { allowPrivate: boolean };
  retention: RetentionRules;
  /** Where programs are looked up (for ffmpeg). */
  executablePath: string;
  /** Whether npm started us: then the process ends when npm is gone. */
  startedByNpm: boolean;
}

/** How often something may be asked for in a window. */
interface Limit {
  /** By one credential. */
  max: number;
  /** By one person with all they have. */
  userMax: number;
  windowMs: number;
}

/** One configured `/v1/videos` server. */
export interface ConnectionConfig {
  name: string;
  baseUrl: string;
  apiKey: Secret | undefined;
  dialect: DialectName | undefined;
  timeoutMs: number;
  maxRetries: number;
  maxRunning: number;
  maxCallsPerMinute: number | undefined;
  pricePerSecondUsd: number | undefined;
  whenUnconfirmed: WhenUnconfirmed;
  models: FileModel[];
}

/** All that is wrong with the settings, in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(`The settings have ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:`);
    this.problems = problems;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process, with what a `.env` file in the working directory adds to it. */
export function readEnvironment(): Environment {
  const file = join(process.cwd(), '.env');
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}), ...process.env };
}

/** Pure but for reading PROVIDERS_FILE. Throws one `ConfigError` that lists every problem. */
export function loadConfig(env: Environment): Config {
  const { settings, problems } = readSettings(env);
  const file = settings.PROVIDERS_FILE
    ? readProvidersFile(resolve(settings.PROVIDERS_FILE))
    : { file: { connections: [] }, problems: [] };
  problems.push(...file.problems);
  const connections = [...openAiConnection(settings), ...file.file.connections.map(fromFile)];
  if (connections.filter((connection) => connection.name === 'openai').length > 1) {
    problems.push(
      'PROVIDERS_FILE names a connection `openai`, and OPENAI_API_KEY or OPENAI_BASE_URL makes another.',
    );
  }
  if (settings.ROLE !== 'all' && settings.DATABASE_URL === undefined) {
    problems.push(`ROLE=${settings.ROLE} needs DATABASE_URL: processes of several roles share one database.`);
  }
  if (settings.JOB_GIVE_UP < settings.JOB_DEADLINE)
    problems.push('JOB_GIVE_UP must not be shorter than JOB_DEADLINE.');
  const signInProviders = readSignInProviders(settings, problems);
  const storage = readStorageConfig(settings, problems);
  const simulator = settings.SIMULATOR ?? true;
  if (!simulator && connections.length === 0) {
    problems.push(
      'SIMULATOR is off and no other connection is set: there would be no model to make videos with.',
    );
  }
  const jwt = readJwt(settings, problems);
  if (problems.length > 0) throw new ConfigError(problems);

  return Object.freeze({
    settings,
    role: settings.ROLE,
    dataDir: resolve(settings.DATA_DIR),
    http: {
      host: settings.HOST,
      port: settings.PORT,
      publicUrl: settings.PUBLIC_URL,
      bodyLimitBytes: settings.BODY_LIMIT,
      rateLimit: limit(settings.RATE_LIMIT_MAX, settings.RATE_LIMIT_WINDOW),
      createLimit: limit(settings.CREATE_LIMIT_MAX, settings.CREATE_LIMIT_WINDOW),
      attemptsMax: settings.AUTH_FAILURES_MAX,
      trustProxy: settings.TRUST_PROXY,
      redis: settings.REDIS_URL && { url: settings.REDIS_URL, prefix: settings.REDIS_PREFIX },
    },
    log: { level: settings.LOG_LEVEL, pretty: settings.LOG_PRETTY },
    database: { url: settings.DATABASE_URL, maxConnections: settings.DATABASE_POOL_MAX },
    storage,
    apiKey: settings.API_KEY,
    jwt,
    accounts: {
      signUp: settings.SIGN_UP,
      secret: settings.AUTH_SECRET,
      mail: { smtpUrl: settings.SMTP_URL, from: settings.MAIL_FROM },
      providers: signInProviders,
    },
    simulator: {
      enabled: simulator,
      speed: settings.SIMULATOR_SPEED,
      faults: settings.SIMULATOR_FAULTS,
      maxRunning: settings.MAX_RUNNING,
    },
    connections,
    defaultModel: settings.DEFAULT_MODEL ?? file.file.defaultModel,
    aliases: { ...file.file.aliases, ...settings.MODEL_ALIASES },
    unpricedModels: settings.UNPRICED_MODELS,
    quotaZone: settings.QUOTA_TIME_ZONE,
    batchMaxVideos: settings.BATCH_MAX_VIDEOS,
    deadlines: { overdueMs: settings.JOB_DEADLINE, giveUpMs: settings.JOB_GIVE_UP },
    drainMs: settings.DRAIN_TIMEOUT ?? drainOf(connections),
    importLimitBytes: settings.IMPORT_LIMIT,
    lineageMaxDepth: settings.LINEAGE_MAX_DEPTH,
    assets: { allowPrivate: settings.ASSET_ALLOW_PRIVATE },
    retention: {
      days: settings.RETENTION_DAYS ?? Infinity,
      maxBytes: settings.RETENTION_MAX_BYTES ?? Infinity,
      tags: settings.RETENTION_TAGS,
      trashDays: settings.TRASH_DAYS,
      assetDays: settings.ASSET_DAYS,
    },
    executablePath: env['PATH'] ?? '',
    startedByNpm: env['npm_lifecycle_event'] !== undefined,
  });

  function limit(max: number, windowMs: number): Limit {
    return { max, userMax: Math.floor(max * settings.USER_LIMIT_FACTOR), windowMs };
  }

  function fromFile(connection: (typeof file.file.connections)[number]): ConnectionConfig {
    return {
      name: connection.name,
      baseUrl: connection.baseUrl,
      apiKey: keyFrom(connection.apiKey, connection.name),
      dialect: connection.dialect,
      timeoutMs: connection.timeoutMs ?? settings.OPENAI_TIMEOUT,
      maxRetries: connection.maxRetries ?? settings.OPENAI_MAX_RETRIES,
      maxRunning: connection.maxRunning ?? settings.MAX_RUNNING,
      maxCallsPerMinute: connection.maxCallsPerMinute,
      pricePerSecondUsd: connection.pricePerSecondUsd,
      whenUnconfirmed: connection.whenUnconfirmed ?? settings.WHEN_UNCONFIRMED,
      models: connection.models ?? [],
    };
  }

  function keyFrom(text: string | undefined, connection: string): Secret | undefined {
    if (text === undefined || !text.startsWith('$')) return text === undefined ? undefined : new Secret(text);
    const value = env[text.slice(1)];
    if (value) return new Secret(value);
    problems.push(`${text.slice(1)} is not set, but the connection ${connection} takes its key from it.`);
    return undefined;
  }
}

/** Until a call has gone out, and after its answer for writing it down and the end of the process, in ms. */
const DRAIN_MARGIN_MS = 10_000;

/** A call that has just begun may use up its time-out. The simulator answers at once. */
function drainOf(connections: readonly ConnectionConfig[]): number {
  return Math.max(0, ...connections.map(({ timeoutMs }) => timeoutMs)) + DRAIN_MARGIN_MS;
}

/** All of it or nothing: without an audience, a token for any other service of the issuer would do. */
function readJwt(settings: Settings, problems: string[]): JwtConfig | undefined {
  const { JWT_ISSUER: issuer, JWT_JWKS_URL: jwksUrl, JWT_AUDIENCE: audience } = settings;
  const given = [issuer, jwksUrl, audience, settings.JWT_ADMIN_CLAIM].filter((value) => value !== undefined);
  if (given.length === 0) return undefined;
  if (issuer === undefined || jwksUrl === undefined || audience === undefined) {
    problems.push('JWT_ISSUER, JWT_JWKS_URL and JWT_AUDIENCE belong together: set all three or none.');
    return undefined;
  }
  return { issuer, jwksUrl, audience, adminClaim: settings.JWT_ADMIN_CLAIM };
}

function openAiConnection(settings: Settings): ConnectionConfig[] {
  if (settings.OPENAI_API_KEY === undefined && settings.OPENAI_BASE_URL === undefined) return [];
  return [
    {
      name: 'openai',
      baseUrl: settings.OPENAI_BASE_URL ?? 'https://api.openai.com/v1',
      apiKey: settings.OPENAI_API_KEY,
      dialect: undefined,
      timeoutMs: settings.OPENAI_TIMEOUT,
      maxRetries: settings.OPENAI_MAX_RETRIES,
      maxRunning: settings.MAX_RUNNING,
      maxCallsPerMinute: undefined,
      pricePerSecondUsd: settings.OPENAI_PRICE_PER_SECOND,
      whenUnconfirmed: settings.WHEN_UNCONFIRMED,
      models: settings.OPENAI_MODELS.map((id) => ({ id })),
    },
  ];
}
