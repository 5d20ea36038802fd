import type { SourceKind } from '../model.ts';
import type { SimulatedVideo } from './timeline.ts';

/** A video on the server. */
export interface StoredVideo {
  video: SimulatedVideo;
  model: string;
  idempotencyKey: string | null;
  /** What was asked for, to notice a key that is used for something else. */
  fingerprint: string;
  reference: string | null;
  /** The video it was made from, and how. */
  source: { kind: SourceKind; id: string } | null;
  deleted: boolean;
  /** Whether it was still running when it was deleted. */
  stopped: boolean;
  /** Creates answered with this video instead of a new one. */
  replays: number;
  downloads: number;
}

export interface Ledger {
  /** Adds a video; past the bound the oldest is forgotten, though the totals go on counting it. */
  add(stored: StoredVideo): void;
  byId(id: string): StoredVideo | undefined;
  byKey(key: string): StoredVideo | undefined;
  /** Oldest first, deleted ones included. */
  all(): StoredVideo[];
  count(what: 'refused' | 'replays' | 'downloads' | 'stopped'): void;
  /** Everything a judge wants to know; JSON. */
  report(): Record<string, unknown>;
}

/**
 * The server's memory and its account book. `duplicates` counts videos that were accepted under a key which had
 * already been accepted: what would have been paid for twice.
 */
export function createLedger(maxVideos = 10_000): Ledger {
  const videos = new Map<string, StoredVideo>();
  const keys = new Map<string, string>();
  const totals = { created: 0, duplicates: 0, replays: 0, refused: 0, downloads: 0, stopped: 0 };
  /** Those among the created that were made from another video. */
  const derived = { remix: 0, edit: 0, extend: 0 };

  function forgetOldest(): void {
    const [oldest] = videos.values();
    if (!oldest) return;
    videos.delete(oldest.video.id);
    const key = oldest.idempotencyKey;
    if (key !== null && keys.get(key) === oldest.video.id) keys.delete(key);
  }

  return {
    add(stored) {
      totals.created += 1;
      if (stored.source) derived[stored.source.kind] += 1;
      const key = stored.idempotencyKey;
      if (key !== null) {
        if (keys.has(key)) totals.duplicates += 1;
        else keys.set(key, stored.video.id);
      }
      videos.set(stored.video.id, stored);
      if (videos.size > maxVideos) forgetOldest();
    },
    byId: (id) => videos.get(id),
    byKey: (key) => videos.get(keys.get(key) ?? ''),
    all: () => [...videos.values()],
    count: (what) => void (totals[what] += 1),
    report: () => ({ ...totals, derived, creations: Array.from(videos.values(), creationOf) }),
  };
}

function creationOf(stored: StoredVideo): Record<string, unknown> {
  const { video } = stored;
  return {
    id: video.id,
    idempotencyKey: stored.idempotencyKey,
    prompt: video.prompt,
    model: stored.model,
    seconds: video.seconds,
    size: `${video.width}x${video.height}`,
    acceptedAt: new Date(video.acceptedAt).toISOString(),
    reference: stored.reference,
    source: stored.source,
    faults: video.faults,
    replays: stored.replays,
    downloads: stored.downloads,
    stopped: stored.stopped,
    deleted: stored.deleted,
  };
}
