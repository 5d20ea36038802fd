/** SQLSTATEs after which the same transaction may succeed. */
const RETRYABLE_STATES = new Set([
  '40001', // serialization failure
  '40P01', // deadlock
  '53300', // too many connections
  '57P01', // server is shutting down, or an operator ended the session
  '57P02', // server crashed
  '57P03', // server is starting
  '57P05', // idle session ended
]);

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT', // the socket of a server that is down
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** `pg` reports a broken connection by words alone. */
const CONNECTION_WORDS =
  /Connection terminated|connection timeout|timeout exceeded when trying to connect|not queryable/i;

/**
 * Whether a database error is a lost connection, a deadlock or a serialization failure, so that running the
 * whole transaction again makes sense. After a lost connection it is unknown whether a COMMIT went through:
 * what is run again must bear running twice.
 */
export function retryable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    RETRYABLE_STATES.has(code) ||
    code.startsWith('08') ||
    CONNECTION_CODES.has(code) ||
    CONNECTION_WORDS.test(error.message)
  );
}
