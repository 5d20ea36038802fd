import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, mostly by waiting for processes: begun last, they would be waited for alone. */
const SLOW = [
  'durability',
  'faults',
  'crash/crash',
  'client-retries',
  'ledger',
  'storage-move',
  'derivations',
];

/** The slow ones first, the others as Vitest would have them. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = SLOW.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return found === -1 ? SLOW.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
