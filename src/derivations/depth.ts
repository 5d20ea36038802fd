import { AppError } from '../core/errors.ts';
import type { Job } from '../jobs/job.ts';

/** Throws `lineage_too_deep` when nothing can be made from this video any more: it is as many steps away as there may be. */
export function checkDepth({ depth }: Pick<Job, 'depth'>, maxDepth: number): void {
  if (depth < maxDepth) return;
  throw new AppError('lineage_too_deep', {
    message: `This video is ${depth} steps away from the first of its lineage; ${maxDepth} are possible.`,
    details: { depth, maxDepth },
  });
}
