import { readFileSync } from 'node:fs';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { errorText } from './core/errors.ts';
import type { WhenUnconfirmed } from './providers/catalog.ts';
import { SOURCE_KINDS, type SourceKind } from './providers/model.ts';
import { type DialectName, DIALECTS } from './providers/openai-videos/dialects.ts';

const strict = { additionalProperties: false } as const;

const SizeText = Type.String({ pattern: '^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$', description: '`WxH`' });

const FileModel = Type.Object(
  {
    id: Type.String({ minLength: 1, description: 'The name clients use.' }),
    upstreamModel: Type.Optional(
      Type.String({ minLength: 1, description: 'The name the server uses; unset: `id`.' }),
    ),
    description: Type.Optional(Type.String()),
    seconds: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 600 }), { minItems: 1 })),
    sizes: Type.Optional(Type.Array(SizeText, { minItems: 1 })),
    inputReference: Type.Optional(Type.Boolean()),
    operations: Type.Optional(
      Type.Array(Type.Unsafe<SourceKind>({ type: 'string', enum: [...SOURCE_KINDS] }), { uniqueItems: true }),
    ),
    pricePerSecondUsd: Type.Optional(Type.Number({ minimum: 0 })),
  },
  strict,
);

const FileConnection = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$', description: 'Letters, digits and dashes.' }),
    adapter: Type.Literal('openai-videos'),
    baseUrl: Type.String({ pattern: '^https?://' }),
    apiKey: Type.Optional(
      Type.String({ description: 'The key itself, or `$NAME` for an environment variable.' }),
    ),
    dialect: Type.Optional(Type.Unsafe<DialectName>({ type: 'string', enum: Object.keys(DIALECTS) })),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 600_000 })),
    maxRetries: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    maxRunning: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    maxCallsPerMinute: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    pricePerSecondUsd: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1000, description: 'Of models that name none; 0: free.' }),
    ),
    whenUnconfirmed: Type.Optional(
      Type.Unsafe<WhenUnconfirmed>({ type: 'string', enum: ['ask', 'resend', 'fail'] }),
    ),
    models: Type.Optional(Type.Array(FileModel, { minItems: 1 })),
  },
  strict,
);

/** What PROVIDERS_FILE holds. */
const ProvidersFile = Type.Object(
  {
    connections: Type.Array(FileConnection),
    aliases: Type.Optional(Type.Record(Type.String(), Type.String())),
    defaultModel: Type.Optional(Type.String()),
  },
  strict,
);

export type ProvidersFile = Static<typeof ProvidersFile>;
export type FileConnection = Static<typeof FileConnection>;
export type FileModel = Static<typeof FileModel>;

/** Reads and checks PROVIDERS_FILE. Every problem is returned as a sentence that names the place. */
export function readProvidersFile(path: string): { file: ProvidersFile; problems: string[] } {
  const empty: ProvidersFile = { connections: [] };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return { file: empty, problems: [`PROVIDERS_FILE (${path}) cannot be read: ${errorText(error)}.`] };
  }
  const problems = [...Value.Errors(ProvidersFile, content)].map(
    (error) => `PROVIDERS_FILE (${path}) at ${error.instancePath || 'the top'}: ${error.message}.`,
  );
  if (problems.length > 0) return { file: empty, problems };
  const file = content as ProvidersFile;
  const names = file.connections.map((connection) => connection.name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return {
    file,
    problems: twice.map((name) => `PROVIDERS_FILE (${path}) names the connection ${name} twice.`),
  };
}
