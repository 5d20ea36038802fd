import type { Kysely } from 'kysely';
import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import type { DB } from '../database/schema.ts';
import { type Derived, pictureOf, placeUnder, wishesOf } from '../jobs/derivation.ts';
import type { DraftJob, VideoWishes } from '../jobs/draft-job.ts';
import type { Job } from '../jobs/job.ts';
import { referenceOf } from '../jobs/reference.ts';
import type { Catalog, CatalogEntry } from '../providers/catalog.ts';
import { type ModelSpec, SOURCE_KINDS, type SourceKind } from '../providers/model.ts';
import { type FrameParts, takeFrame } from './frames.ts';
import { type Changes, findSource, onSource, sizeWish } from './sources.ts';

/** Who is to do it: the provider if it can and else a stand-in (`auto`), or one of them and no other. */
export const WAYS = ['auto', 'provider', 'stand_in'] as const;

export type Way = (typeof WAYS)[number];

/** A new video out of a finished one. */
export interface DeriveWish extends Changes {
  prompt: string;
  via?: Way | undefined;
}

export interface DeriveParts extends FrameParts {
  db: Kysely<DB>;
  catalog: Catalog;
  draftJob: DraftJob;
}

/**
 * Drafts a remix, edit or extension: by the provider's own operation, or as a stand-in that starts from a picture of the
 * parent. Throws `operation_unsupported` and what drafting a job throws.
 */
export async function draftDerived(
  parts: DeriveParts,
  caller: Principal,
  parent: Job,
  kind: SourceKind,
  { via = 'auto', ...changes }: DeriveWish,
  fingerprint: string,
): Promise<Job> {
  const { draftJob } = parts;
  const entry = parts.catalog.resolve(changes.model ?? parent.model);
  const wishes = wishesFor(parent, kind, changes);
  const found = via === 'stand_in' ? { why: '' } : await findSource(parts.db, parent, kind, entry, changes);
  if ('source' in found) {
    const placed = placeUnder(parent, kind, { by: 'provider' });
    const { source } = found;
    // The size is the source's, and so is the length of all but an extension: no list of the model's judges them.
    const seconds = kind === 'extend' ? wishes.seconds : undefined;
    const free = { ...wishes, seconds, resolution: undefined, aspectRatio: undefined, hasReference: false };
    return draftJob(caller, free, { fingerprint, placed, amend: onSource(source, parent) });
  }
  if (via === 'provider') throw await unsupported(found.why);
  return standIn();

  async function standIn(): Promise<Job> {
    if (!canStandIn(kind, entry.model)) {
      throw await unsupported(`The model ${entry.model.id} takes no picture to go on from.`);
    }
    if (!entry.model.inputReference) return plan();
    if (kind !== 'extend' && parent.reference_key !== null) {
      return Object.assign(plan('parent_reference'), pictureOf(parent));
    }
    const which = kind === 'extend' ? 'last' : 'first';
    // Planned before there is a picture, so that what is wrong is refused before any work is done.
    const job = plan(`${which}_frame`);
    const frame = await takeFrame(parts, caller, parent, which, job);
    if (frame) return Object.assign(job, referenceOf(frame));
    if (kind === 'extend')
      throw await unsupported('No last frame of the video can be decoded to go on from.');
    return plan();
  }

  function plan(reference?: NonNullable<Derived['reference']>): Job {
    const derived: Derived = { by: 'stand_in', ...(reference === undefined ? {} : { reference }) };
    const placed = placeUnder(parent, kind, derived);
    return draftJob(caller, { ...wishes, hasReference: reference !== undefined }, { fingerprint, placed });
  }

  async function unsupported(why: string): Promise<AppError> {
    const possible = await possibleWays(parts.db, parent, entry);
    const details = { operation: kind, model: entry.alias ?? entry.model.id, possible };
    return new AppError('operation_unsupported', { message: why, details, param: 'via' });
  }
}

/** The parent's settings with the new prompt and what was changed. Without a word about it, an extension adds what the model usually makes. */
function wishesFor(parent: Job, kind: SourceKind, changes: Changes & { prompt: string }): VideoWishes {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  return {
    ...wishesOf(parent),
    ...(kind === 'extend' ? { seconds: undefined } : {}),
    ...(given as typeof changes),
    ...sizeWish(parent, changes),
  };
}

/** Without a picture a remix is still one; an extension that does not start where the parent ends is none. */
export function canStandIn(kind: SourceKind, model: Pick<ModelSpec, 'inputReference'>): boolean {
  return kind !== 'extend' || model.inputReference;
}

/** What this model can make of the video, by whom. */
async function possibleWays(
  db: Kysely<DB>,
  parent: Job,
  entry: CatalogEntry,
): Promise<{ operation: SourceKind; via: Way }[]> {
  const ways: { operation: SourceKind; via: Way }[] = [];
  for (const operation of SOURCE_KINDS) {
    if ('source' in (await findSource(db, parent, operation, entry, {}))) {
      ways.push({ operation, via: 'provider' });
    }
    if (canStandIn(operation, entry.model)) ways.push({ operation, via: 'stand_in' });
  }
  return ways;
}
