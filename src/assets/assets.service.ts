import type { Kysely } from 'kysely';
import type { Principal } from '../accounts/principal.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Outbound } from '../core/outbound.ts';
import type { AssetsTable, DB } from '../database/schema.ts';
import type { Fit, Scale } from '../media/image.ts';
import type { Media } from '../media/media.ts';
import type { Size } from '../providers/model.ts';
import type { ByteRange, Chunks, Storage } from '../storage/storage.ts';
import { type AssetList, type AssetPageRequest, readAssetPage, toAssetList } from './asset-page.ts';
import {
  type Asset,
  countAssets,
  deleteAsset,
  findAsset,
  pageAssets,
  touchAsset,
  upsertAsset,
} from './assets.repository.ts';
import { bringImage, writeChunks } from './bring-image.ts';
import { createImageStore } from './image-store.ts';
import type { ImageInput } from './image-input.ts';

export type { Asset } from './assets.repository.ts';
export type { ImageInput } from './image-input.ts';

export interface TakeOptions {
  name?: string | undefined;
  /** Stores a version in exactly this size in place of the image itself. */
  scale?: Scale | undefined;
  /** The request field at fault when something is wrong with the image, by its name on the wire. */
  param?: string;
}

export interface Taken {
  asset: Asset;
  /** The size it came in, upright. */
  original: Size;
  /** How it was brought to another size; null when it was not. */
  scaled: Fit | null;
}

export interface AssetsService {
  /**
   * Checks, re-encodes and stores an image; the same image twice is the same asset. Throws `invalid_reference`,
   * `payload_too_large`, `asset_not_found`.
   */
  take(caller: Principal, input: ImageInput, options?: TakeOptions): Promise<Asset>;
  /** The same, and what was done with it. */
  add(caller: Principal, input: ImageInput, options?: TakeOptions): Promise<Taken>;
  /** A version of an asset in exactly this size; the asset itself when it has it already. */
  fitted(caller: Principal, asset: Asset, size: Size, fit: Fit): Promise<Asset>;
  /** Throws `asset_not_found` for what is not there or not the caller's; so does everything below. */
  get(caller: Principal, id: string): Promise<Asset>;
  /** Newest first. Throws `invalid_cursor`. */
  list(caller: Principal, page: AssetPageRequest): Promise<AssetList>;
  /** Jobs that start from it keep their picture: its file stays as long as a job names it. */
  remove(caller: Principal, id: string): Promise<void>;
  open(asset: Asset, range?: ByteRange): Promise<Chunks>;
}

export interface AssetParts {
  db: Kysely<DB>;
  clock: Clock;
  storage: Storage;
  media: Media;
  /** Its guard stands between users' addresses and this network. */
  outbound: Outbound;
  /** Folder for files under way; on the same file system as local storage. */
  tempDir: string;
}

export function createAssetsService(parts: AssetParts): AssetsService {
  const { db, clock, storage } = parts;
  const store = createImageStore(parts);
  const now = () => new Date(clock.now());

  type Described = Pick<AssetsTable, 'source' | 'name'>;

  /** The file comes before its row: a file without a row is an orphan at worst, a row without a file would be a lie. */
  async function keep(
    caller: Principal,
    { source, name }: Described,
    scale: Scale | undefined,
    bring: (file: string) => Promise<string>,
  ): Promise<Taken> {
    const { original, ...image } = await store(bring, scale);
    const at = now();
    const row = { id: newId('asset'), owner_id: caller.ownerId, name, source, created_at: at, used_at: at };
    const asset = await upsertAsset(db, { ...row, ...image });
    return { asset, original, scaled: scale && !isSize(original, scale) ? scale.fit : null };
  }

  async function rescale(caller: Principal, asset: Asset, scale: Scale | undefined): Promise<Taken> {
    if (!scale || isSize(asset, scale)) return { asset, original: sizeOf(asset), scaled: null };
    return keep(caller, asset, scale, async (file) =>
      writeChunks(await storage.open(asset.storage_key).catch(gone), file),
    );
  }

  async function add(
    caller: Principal,
    input: ImageInput,
    { name, scale, param = 'input_reference' }: TakeOptions = {},
  ): Promise<Taken> {
    try {
      if ('assetId' in input) {
        const asset = await touchAsset(db, caller.ownerId, input.assetId, now());
        if (!asset) throw new AppError('asset_not_found');
        return await rescale(caller, asset, scale);
      }
      const described = { source: sourceOf(input), name: name ?? null };
      return await keep(caller, described, scale, (file) => bringImage(parts, input, file));
    } catch (error) {
      throw error instanceof AppError ? at(param, error) : error;
    }
  }

  async function get(caller: Principal, id: string): Promise<Asset> {
    const asset = await findAsset(db, caller.ownerId, id);
    if (!asset) throw new AppError('asset_not_found');
    return asset;
  }

  return {
    add,
    take: async (caller, input, options) => (await add(caller, input, options)).asset,
    fitted: async (caller, asset, size, fit) => (await rescale(caller, asset, { ...size, fit })).asset,
    get,
    async list(caller, request) {
      const page = readAssetPage(request);
      const [rows, total] = await Promise.all([
        pageAssets(db, caller.ownerId, { ...page, limit: page.limit + 1 }),
        countAssets(db, caller.ownerId),
      ]);
      return toAssetList(rows, total, page);
    },
    async remove(caller, id) {
      // Only the row: who is just now taking the same image counts on the file. Unnamed files are swept up later.
      if (!(await deleteAsset(db, caller.ownerId, id))) throw new AppError('asset_not_found');
    },
    open: (asset, range) => storage.open(asset.storage_key, range),
  };
}

function sourceOf(input: Exclude<ImageInput, { assetId: string }>): Asset['source'] {
  if ('data' in input) return 'upload';
  if ('source' in input) return input.source;
  return /^data:/i.test(input.url) ? 'data_url' : 'url';
}

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}

function isSize(size: Size, other: Size): boolean {
  return size.width === other.width && size.height === other.height;
}

/** An asset in a caller's hand may have been deleted, and its file swept up since. */
function gone(error: unknown): never {
  throw error instanceof AppError && error.code === 'content_not_found'
    ? new AppError('asset_not_found')
    : error;
}

/** The same error, with the field it is about. */
function at(param: string, error: AppError): AppError {
  const { code, message, details, cause, retryAfterSeconds } = error;
  if (retryAfterSeconds !== undefined) return error;
  return new AppError(code, { message, details, cause, param });
}
