import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import { Secret } from '../../core/secret.ts';
import { createMedia } from '../../media/media.ts';
import { helpText, parseFlags, type ServeFlags } from './flags.ts';
import { renderClip } from './render.ts';
import { createSimulatorServer } from './server.ts';
import { WIRE_DIALECTS } from './wire.ts';

/** Where ffmpeg may be; without it clips are encoded in-process or a bundled one is sent. */
const PROGRAMS = ['/usr/local/bin', '/usr/bin', '/bin', '/opt/homebrew/bin'].join(path.delimiter);

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function readFlags(): ServeFlags {
  try {
    return parseFlags(process.argv.slice(2));
  } catch (error) {
    return fail(`${errorText(error)}\nSee --help.`);
  }
}

async function serve(flags: ServeFlags): Promise<void> {
  const temporary =
    flags.cache === undefined ? mkdtempSync(path.join(os.tmpdir(), 'sora-simulator-')) : undefined;
  const media = createMedia({ path: PROGRAMS });
  process.on('exit', () => {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      media.close();
      process.exit(0);
    });
  }
  const server = await createSimulatorServer({
    clock: systemClock,
    speed: flags.speed,
    faults: flags.faults,
    seed: flags.seed,
    cacheDir: flags.cache ?? temporary ?? '',
    dialect: WIRE_DIALECTS[flags.dialect],
    render: async (clip, outFile) => void (await renderClip(media, clip, outFile)),
    onError: (error) => process.stderr.write(`${errorText(error)}\n`),
    ...(flags.apiKey === undefined ? {} : { apiKey: new Secret(flags.apiKey) }),
  });
  const url = await server.listen({ port: flags.port, host: flags.host }).catch((error: unknown) => {
    const { code } = error as { code?: string };
    if (code === 'EADDRINUSE') return fail(`Port ${flags.port} is in use: choose another with --port.`);
    return fail(`Cannot listen on ${flags.host}:${flags.port}: ${errorText(error)}`);
  });
  process.stdout.write(`The simulator listens on ${url}/v1 (its ledger: ${url}/ledger)\n`);
}

const flags = readFlags();
if (flags.help) process.stdout.write(helpText());
else await serve(flags);
