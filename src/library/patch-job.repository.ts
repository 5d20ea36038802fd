import type { Job } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';

/** What a patch sets; undefined leaves a column as it is. */
export interface Details {
  name: string | null | undefined;
  tags: string[] | undefined;
  metadata: Record<string, string> | undefined;
  starred: boolean | undefined;
  pinned: boolean | undefined;
  collectionId: string | null | undefined;
}

/** Sets the details of a job that the transaction has locked. */
export async function updateDetails(write: Write, id: string, details: Details): Promise<Job> {
  const { collectionId, metadata, ...rest } = details;
  return write.tx
    .updateTable('jobs')
    .set({
      ...rest,
      metadata: metadata === undefined ? undefined : JSON.stringify(metadata),
      collection_id: collectionId,
      updated_at: write.now,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}
