import type { Asset, Taken } from './assets.service.ts';

/** An asset as the native API shows it. */
export interface AssetView {
  assetId: string;
  name: string | null;
  source: Asset['source'];
  contentType: Asset['content_type'];
  width: number;
  height: number;
  fileSize: number;
  sha256: string;
  createdAt: string;
  url: string;
}

export function viewAsset(asset: Asset): AssetView {
  return {
    assetId: asset.id,
    name: asset.name,
    source: asset.source,
    contentType: asset.content_type,
    width: asset.width,
    height: asset.height,
    fileSize: asset.size_bytes,
    sha256: asset.sha256,
    createdAt: asset.created_at.toISOString(),
    url: `/api/v1/assets/${asset.id}/content`,
  };
}

export function viewTaken({ asset, original, scaled }: Taken): AssetView & Omit<Taken, 'asset'> {
  return { ...viewAsset(asset), original, scaled };
}

/** What a browser should call it when saving. */
export function imageFilename(asset: Asset): string {
  return `${asset.id}.${asset.content_type.slice('image/'.length)}`;
}
