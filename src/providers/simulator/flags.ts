import { parseArgs } from 'node:util';
import { FAULTS, type FaultRates, parseFaultRates } from './faults.ts';
import { WIRE_DIALECTS, type WireDialectName } from './wire.ts';

/** What the command line of the simulator server says. */
export interface ServeFlags {
  help: boolean;
  port: number;
  host: string;
  speed: number;
  faults: FaultRates;
  seed: number;
  apiKey: string | undefined;
  dialect: WireDialectName;
  cache: string | undefined;
}

const OPTIONS = {
  port: { type: 'string', short: 'p', default: '4000' },
  host: { type: 'string', default: '127.0.0.1' },
  speed: { type: 'string', default: '1' },
  faults: { type: 'string', default: '' },
  seed: { type: 'string', default: '1' },
  'api-key': { type: 'string' },
  dialect: { type: 'string', default: 'default' },
  cache: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Reads the arguments. Throws an `Error` whose message is for the person who typed them. */
export function parseFlags(args: readonly string[]): ServeFlags {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false });
  const { dialect } = values;
  if (!Object.hasOwn(WIRE_DIALECTS, dialect)) {
    throw new RangeError(
      `--dialect must be one of ${Object.keys(WIRE_DIALECTS).join(', ')}, not "${dialect}"`,
    );
  }
  return {
    help: values.help,
    port: numberOf('port', values.port, { min: 0, max: 65_535, whole: true }),
    host: values.host,
    speed: numberOf('speed', values.speed, { min: 0, max: 1e6, whole: false }),
    faults: faultsOf(values.faults),
    seed: numberOf('seed', values.seed, { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true }),
    apiKey: values['api-key'],
    dialect: dialect as WireDialectName,
    cache: values.cache,
  };
}

function numberOf(flag: string, text: string, bounds: { min: number; max: number; whole: boolean }): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= bounds.min && value <= bounds.max && (!bounds.whole || Number.isInteger(value))) return value;
  const kind = bounds.whole ? 'a whole number' : 'a number';
  throw new RangeError(`--${flag} must be ${kind} from ${bounds.min} to ${bounds.max}, not "${text}"`);
}

function faultsOf(text: string): FaultRates {
  try {
    return parseFaultRates(text);
  } catch (error) {
    throw new RangeError(`--faults: ${(error as Error).message}`, { cause: error });
  }
}

/** The text of `--help`. */
export function helpText(): string {
  const faults = Object.entries(FAULTS).map(([name, { does }]) => `  ${name.padEnd(16)}${does}`);
  return `A /v1/videos server that renders test clips. Nothing else is needed, nothing is paid.

  npm run simulator -- [options]

  -p, --port N      port to listen on; 0 picks a free one (4000)
  --host ADDRESS    address to listen on (127.0.0.1)
  --speed N         1 is lifelike, 10 ten times as fast, 0 at once (1)
  --faults LIST     faults that strike by chance: 429=0.1,lost-answer=0.02
  --seed N          same seed, same luck (1)
  --api-key KEY     ask for this key as a bearer token
  --dialect NAME    behave like ${Object.keys(WIRE_DIALECTS).join(', ')} (default)
  --cache DIR       keep rendered clips there (a temporary folder, removed at the end)
  -h, --help        this text

GET /ledger tells every creation that was accepted, with its idempotency key.
A prompt that contains [sim:NAME] makes its own faults:

${faults.join('\n')}
`;
}
