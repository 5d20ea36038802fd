import { spawnSync } from 'node:child_process';

/** The S3 store of the tests, unless TEST_S3_ENDPOINT and TEST_S3_BUCKET name another one. */
export const MOTO = {
  name: 'moto',
  get: "python3 -m pip install 'moto[server]>=5.2.5'",
};

/** Whether this machine's Python has moto with what its server needs; older ones ignore the type that a link asks for. */
export function hasMoto(): boolean {
  const look =
    "import sys, importlib.metadata as m; m.version('flask'); v = m.version('moto').split('.')[:3]; " +
    'sys.exit(0 if [int(part) for part in v] >= [5, 2, 5] else 1)';
  return spawnSync('python3', ['-c', look], { stdio: 'ignore' }).status === 0;
}

/** Whether the S3 tests have a store to run against. */
export function hasS3(): boolean {
  return process.env['TEST_S3_ENDPOINT'] !== undefined || hasMoto();
}
