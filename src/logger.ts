import { type Logger, pino, type LoggerOptions } from 'pino';
import { createRequire } from 'node:module';
import type { Config } from './config.ts';

/** Header fields and values that must not reach a log even if somebody logs a request whole. */
const REDACT = ['*.authorization', '*["x-api-key"]', '*.cookie', 'authorization', '["x-api-key"]', 'cookie'];

/** JSON lines; on a terminal lines for people. */
export function createLogger(config: Pick<Config, 'log'>): Logger {
  const options: LoggerOptions = { level: config.log.level, redact: REDACT, base: null };
  if (!(config.log.pretty ?? process.stdout.isTTY)) return pino(options);
  const require = createRequire(import.meta.url);
  // Loaded only where somebody looks on: it costs memory that a server does not need to spend.
  const pretty = require('pino-pretty') as typeof import('pino-pretty');
  return pino(options, pretty({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true }));
}
