import { BENCHMARKS, type BenchmarkName } from './benchmarks.ts';

/** Runs one benchmark in this process and sends its report to the parent. */
const [name, folder, extent] = process.argv.slice(2);
if (name === undefined || folder === undefined || !Object.hasOwn(BENCHMARKS, name)) {
  throw new Error('This is started by main.ts.');
}

const { default: benchmark } = await BENCHMARKS[name as BenchmarkName].load();
try {
  const report = await benchmark({ folder, quick: extent === 'quick' });
  process.send?.(report, () => process.exit(0));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
