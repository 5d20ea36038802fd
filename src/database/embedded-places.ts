import path from 'node:path';

/** Where the embedded PostgreSQL keeps things inside a DATA_DIR (absolute paths). */
export interface Places {
  dataDir: string;
  /** Holds everything below; appears complete, by one rename. Owned by the user PostgreSQL runs as. */
  home: string;
  /** PostgreSQL's own data folder. */
  cluster: string;
  /** The superuser's password, mode 0600. */
  passwordFile: string;
  pidFile: string;
  socketLockFile: string;
  logFile: string;
}

export const SOCKET_PORT = 5432;

export function placesIn(dataDir: string): Places {
  const root = path.resolve(dataDir);
  const home = path.join(root, 'postgres');
  return {
    dataDir: root,
    home,
    cluster: path.join(home, 'data'),
    passwordFile: path.join(home, 'password'),
    pidFile: path.join(home, 'data', 'postmaster.pid'),
    socketLockFile: path.join(home, `.s.PGSQL.${SOCKET_PORT}.lock`),
    logFile: path.join(root, 'postgres.log'),
  };
}

/** Where a postmaster listens: a folder with its Unix socket, or a port on the loopback address. */
export type Endpoint = { socketDir: string } | { port: number };

/** The connection string for a database behind this endpoint; understood by `pg`, psql and libpq alike. */
export function urlOf(endpoint: Endpoint, password: string, database: string): string {
  const credentials = `sora:${encodeURIComponent(password)}`;
  // sslmode is spelled out because PGSSLMODE in the environment would otherwise decide.
  if ('port' in endpoint)
    return `postgresql://${credentials}@127.0.0.1:${endpoint.port}/${database}?sslmode=disable`;
  const host = encodeURIComponent(endpoint.socketDir);
  return `postgresql://${credentials}@localhost/${database}?host=${host}&port=${SOCKET_PORT}&sslmode=disable`;
}
