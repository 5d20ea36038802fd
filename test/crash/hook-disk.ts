import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

type Done = (error: NodeJS.ErrnoException | null, written?: number) => void;
type Write = (fd: number, ...rest: unknown[]) => void;

/** stdin, stdout and stderr are no files on this disk. */
const LAST_STANDARD_FD = 2;

/** While `flagFile` exists, nothing that streams into a file gets through: the disk is full. PostgreSQL has its own. */
export function fillDiskWhile(flagFile: string): void {
  for (const name of ['write', 'writev'] as const) {
    const original = fs[name] as unknown as Write;
    const full: Write = (fd, ...rest) => {
      const done = rest.at(-1) as Done;
      if (fd <= LAST_STANDARD_FD || !fs.existsSync(flagFile)) return original(fd, ...rest);
      const error = Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: 'ENOSPC' });
      setImmediate(() => done(error));
    };
    Object.assign(fs, { [name]: full });
  }
  syncBuiltinESMExports();
}
