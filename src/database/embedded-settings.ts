import { totalmem } from 'node:os';
import type { Endpoint } from './embedded-places.ts';
import { SOCKET_PORT } from './embedded-places.ts';

/** Server settings for one small application on a machine it shares; durability stays complete. */
const SETTINGS = {
  shared_buffers: `${sharedBuffersMb(totalmem())}MB`,
  // A search notes hundreds of thousands of places before it looks at them; noted less exactly, it looks at far more.
  work_mem: '16MB',
  max_connections: '50',
  // One writer at a time per file is plenty here, and worker processes cost memory.
  io_method: 'sync',
  jit: 'off',
  huge_pages: 'off',
  fsync: 'on',
  synchronous_commit: 'on',
  // No replicas: less to write.
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  max_wal_size: '512MB',
  idle_in_transaction_session_timeout: '10s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The application logs its own failed statements; here only what concerns the server, and never values.
  log_min_messages: 'log',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
} as const;

/** A sixty-fourth of the machine, from 32 to 256 MB. It is taken page by page: a small library never needs most of it. */
export function sharedBuffersMb(memoryBytes: number): number {
  const share = Math.floor(memoryBytes / 64 / 1024 ** 2);
  return Math.min(256, Math.max(32, share));
}

/** Command-line arguments for the postmaster. `overrides` are settings by their PostgreSQL names. */
export function serverArguments(
  cluster: string,
  endpoint: Endpoint,
  overrides: Readonly<Record<string, string>>,
): string[] {
  // The socket folder is given relative to the data folder: PostgreSQL would count an absolute one's length.
  const listen =
    'port' in endpoint
      ? { listen_addresses: '127.0.0.1', port: String(endpoint.port), unix_socket_directories: '' }
      : { listen_addresses: '', port: String(SOCKET_PORT), unix_socket_directories: '..' };
  const settings = Object.entries({ ...SETTINGS, ...overrides, ...listen });
  return ['-D', cluster, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Arguments for initdb, the same everywhere: UTF-8 with PostgreSQL's built-in locale, not the machine's. */
export function initdbArguments(cluster: string, passwordFile: string, durable: boolean): string[] {
  return [
    '-D',
    cluster,
    '--username=sora',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    // Stretching protects weak passwords; this one has 192 random bits, and every connection would pay.
    '--set=scram_iterations=16',
    ...(durable ? [] : ['--no-sync']),
  ];
}
