import type { ErrorCode } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import type { Archive, FileProblem } from './import-archive.ts';
import type { LibraryParts } from './library.ts';

/** Why one video of an export could not be imported. */
export type ImportProblem = FileProblem | 'invalid_row' | 'id_taken' | (ErrorCode & 'job_not_finished');

export interface ImportAnswer {
  imported: number;
  /** Were there already. */
  skipped: number;
  /** The first of them; `failedTotal` counts all. */
  failed: { jobId: string; code: ImportProblem; message: string }[];
  failedTotal: number;
  /** New ones. */
  collections: number;
  assets: number;
  batches: number;
}

/** One import under way. */
export interface ImportRun {
  parts: LibraryParts;
  ownerId: string;
  archive: Archive;
  answer: ImportAnswer;
  /** Ids of the export that were taken over, and what they are called here. */
  ids: Record<'batches' | 'collections' | 'assets', Map<string, string>>;
  /** Pictures that are in storage for sure. */
  images: Set<string>;
}

const MAX_LISTED = 1000;

export function startRun(parts: LibraryParts, ownerId: string, archive: Archive): ImportRun {
  return {
    parts,
    ownerId,
    archive,
    answer: { imported: 0, skipped: 0, failed: [], failedTotal: 0, collections: 0, assets: 0, batches: 0 },
    ids: { batches: new Map(), collections: new Map(), assets: new Map() },
    images: new Set(),
  };
}

export function fail({ answer }: ImportRun, jobId: string, code: ImportProblem, message: string): void {
  answer.failedTotal += 1;
  if (answer.failed.length < MAX_LISTED) answer.failed.push({ jobId, code, message });
}

/**
 * The id that something gets whose own id is somebody else's here: always the same one for the same owner, so that a
 * second import finds what the first one made.
 */
export function otherId(ownerId: string, id: string): string {
  const prefix = id.slice(0, id.indexOf('_'));
  return `${prefix}_${sha256(`${ownerId} ${id}`).slice(0, 32)}`;
}

/** The id for the owner's use, where `holder` is who has the id here now. */
export function idFor(ownerId: string, id: string, holder: string | undefined): string {
  return holder === undefined || holder === ownerId ? id : otherId(ownerId, id);
}
