import { newId, sha256 } from '../../core/ids.ts';
import type { CreateRequest } from './create-request.ts';
import { drawFaults } from './faults.ts';
import { accepts, createGate } from './gate.ts';
import { createLedger, type StoredVideo } from './ledger.ts';
import type { SimulatorServerOptions } from './server.ts';
import { stateAt, videoIdFor, type VideoState } from './timeline.ts';
import { videoObject, WIRE_DIALECTS, WireError } from './wire.ts';

/** What the server does with videos; every method throws `WireError`s. */
export type ServerVideos = ReturnType<typeof createServerVideos>;

export function createServerVideos(options: SimulatorServerOptions) {
  const { clock, speed, seed = 1, faults: rates = {}, dialect = WIRE_DIALECTS.default } = options;
  const gate = createGate({ seed, rates });
  const ledger = createLedger(options.maxVideos);
  const state = (stored: StoredVideo): VideoState => stateAt(stored.video, clock.now(), speed);
  const show = (stored: StoredVideo) => videoObject(stored, state(stored), dialect);

  /** The video that a key already led to, or undefined. */
  function replay(idempotencyKey: string | null, fingerprint: string): StoredVideo | undefined {
    if (!dialect.idempotency || idempotencyKey === null) return undefined;
    const known = ledger.byKey(idempotencyKey);
    if (!known) return undefined;
    if (known.fingerprint !== fingerprint) {
      throw new WireError(400, 'idempotency_mismatch', 'This Idempotency-Key was used for another request.');
    }
    known.replays += 1;
    ledger.count('replays');
    return known;
  }

  /** The new video, the one that this key already led to, or undefined when the answer has to be lost. */
  function create(request: CreateRequest, idempotencyKey: string | null) {
    const { prompt, model, seconds, size, reference = null, source = null } = request;
    const fingerprint = sha256(JSON.stringify([prompt, model.id, seconds, size, reference, source]));
    const known = replay(idempotencyKey, fingerprint);
    if (known) return show(known);
    const id = dialect.idempotency && idempotencyKey !== null ? videoIdFor(idempotencyKey) : newId('video');
    const key = idempotencyKey ?? id;
    const verdict = gate(prompt, key);
    const faults = drawFaults(prompt, key, seed, rates);
    const stored: StoredVideo = {
      video: { id, prompt, seconds, ...size, acceptedAt: clock.now(), seed, faults },
      model: model.id,
      idempotencyKey,
      fingerprint,
      reference,
      source,
      deleted: false,
      stopped: false,
      replays: 0,
      downloads: 0,
    };
    if (accepts(verdict)) ledger.add(stored);
    else ledger.count('refused');
    switch (verdict) {
      case 'accept':
        return show(stored);
      case 'lost-answer':
        return undefined;
      case '429':
        throw new WireError(429, 'rate_limit_exceeded', 'Simulated: too many requests.');
      case 'refused':
        throw new WireError(400, 'simulated_refusal', 'Refused on purpose.');
      case '500':
      case '500-accepted':
        throw new WireError(500, 'server_error', 'Simulated: status 500.');
    }
  }

  function get(id: string): { stored: StoredVideo; state: VideoState } {
    const stored = ledger.byId(id);
    const now = stored && state(stored);
    if (now?.pollFault === 'poll-500') throw new WireError(500, 'server_error', 'Simulated: status 500.');
    if (!stored || !now || stored.deleted || now.pollFault) {
      throw new WireError(404, 'not_found', `Video with id '${id}' not found.`);
    }
    return { stored, state: now };
  }

  /** One page of the videos that are not deleted. */
  function list(query: Readonly<Record<string, string | undefined>>) {
    const { after, limit = '20', order = 'desc' } = query;
    const most = Number(limit);
    if (limit === '' || !Number.isInteger(most) || most < 0 || most > 100) {
      throw new WireError(400, 'invalid_value', 'limit must be a whole number from 0 to 100.', 'limit');
    }
    if (order !== 'asc' && order !== 'desc') {
      throw new WireError(400, 'invalid_value', "order must be 'asc' or 'desc'.", 'order');
    }
    const forgotten = (stored: StoredVideo) =>
      stored.video.faults.includes('forgotten') && state(stored).pollFault === 'forgotten';
    const visible = (stored: StoredVideo) => !stored.deleted && !forgotten(stored);
    const all = ledger.all().filter(visible);
    if (order === 'desc') all.reverse();
    const at = after === undefined ? -1 : all.findIndex((stored) => stored.video.id === after);
    if (after !== undefined && at < 0) {
      throw new WireError(400, 'invalid_value', 'after is not a known id.', 'after');
    }
    const data = all.slice(at + 1, at + 1 + most).map(show);
    if (dialect.bareList) return { object: 'list', data };
    const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
    return { object: 'list', data, ...ends, has_more: at + 1 + most < all.length };
  }

  /** Deletes it; one that is still running is stopped first. */
  function remove(id: string) {
    const { stored, state: now } = get(id);
    if (now.phase === 'queued' || now.phase === 'running') {
      if (stored.video.faults.includes('no-cancel')) {
        throw new WireError(400, 'cancel_refused', 'Simulated: it cannot be stopped.');
      }
      stored.stopped = true;
      ledger.count('stopped');
    }
    stored.deleted = true;
    return { id, object: 'video.deleted', deleted: true };
  }

  /** The finished video whose file is asked for, counted as one download. */
  function download(id: string, variant: string) {
    const { stored, state: now } = get(id);
    const missing = variant !== 'video' || stored.video.faults.includes('no-file');
    if (missing || now.phase !== 'done') {
      throw new WireError(404, 'content_not_found', `There is no ${variant} of this video (now).`);
    }
    stored.downloads += 1;
    ledger.count('downloads');
    return stored.video;
  }

  return { create, get, list, remove, download, show, report: () => ledger.report() };
}
