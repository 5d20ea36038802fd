import type { Asset } from '../assets/assets.service.ts';
import type { ReferenceImage } from '../providers/provider.ts';
import { collect, type Storage } from '../storage/storage.ts';
import type { Job } from './job.ts';

/** The first-frame image of a job, out of storage. */
export async function readReference(
  storage: Storage,
  job: Pick<Job, 'reference_key' | 'reference_type'>,
): Promise<ReferenceImage | undefined> {
  if (job.reference_key === null) return undefined;
  const data = await collect(await storage.open(job.reference_key));
  return { data, contentType: job.reference_type as ReferenceImage['contentType'] };
}

/** What a job that starts from an asset keeps of it: the file, which outlives the asset, and its id. */
export function referenceOf(asset: Asset): Pick<Job, 'reference_key' | 'reference_type' | 'asset_id'> {
  return { reference_key: asset.storage_key, reference_type: asset.content_type, asset_id: asset.id };
}
