import type { SpellingName } from './spellings.ts';

/**
 * What happens to a create. `take`: accepted, answered after `ms`; `lose`: accepted, and the connection breaks instead of
 * an answer; `drop`: the connection breaks before it is accepted.
 */
export interface CreateAct {
  do: 'take' | 'lose' | 'drop';
  ms?: number;
}

/** How one account of the provider behaves; may be changed while it runs. */
export interface Rules {
  /** From acceptance to the end of the work, in ms. */
  renderMs: number;
  /** By words of the prompt: the n-th such create meets the n-th act. All others are taken. */
  creates: readonly { match: string; acts: readonly CreateAct[] }[];
  /** How long an accepted create takes to be answered, where no act says so: from, to, in ms. */
  createMs: readonly [number, number];
  /** How long a page of the list takes, in ms, and how many videos are on it at the most. */
  pageMs: number;
  pageSize: number;
  /** How the list writes what it was told. */
  spelling: SpellingName;
  /** All looks at videos and lists are answered 404, as a page of a gateway or as the API's own words. */
  statuses: 'right' | '404-html' | '404-json';
  /** The same for files. */
  contents: 'right' | '404-html' | '404-json';
  /** The share of looks and deletes that are answered 503. */
  unavailable: number;
  /** What `/v1/models` promises; nothing: there is no such address. */
  promises: Readonly<Record<string, unknown>> | null;
  /** The first download of each file breaks off at its half; then another encoding of the same length lies there. */
  replacesFiles: boolean;
  /** Files are sent with an ETag. */
  etags: boolean;
}

export const USUAL_RULES: Rules = {
  renderMs: 1500,
  creates: [],
  createMs: [0, 0],
  pageMs: 0,
  pageSize: 100,
  spelling: 'exact',
  statuses: 'right',
  contents: 'right',
  unavailable: 0,
  promises: null,
  replacesFiles: false,
  etags: true,
};

/** One create that arrived, whatever became of it. */
export interface Call {
  account: string;
  /** The `Idempotency-Key`, which this provider only writes down. */
  key: string;
  prompt: string;
  /** Of words, picture, size and seconds: two calls that have the same one want the same video. */
  fingerprint: string;
  hasPicture: boolean;
  at: number;
  act: CreateAct['do'];
  /** The video that was made of it. */
  id: string | undefined;
}

/** One video: what would have to be paid. */
export interface Made {
  id: string;
  account: string;
  key: string;
  prompt: string;
  fingerprint: string;
  acceptedAt: number;
  endsAt: number;
  stoppedAt: number | undefined;
  /** Deletes that were understood, and files that were fetched to their end. */
  deletes: number;
  fails: boolean;
}

/** All that the provider counted, and the hash of each encoding of its files. */
export interface ProviderState {
  calls: Call[];
  videos: Made[];
  files: Record<string, string[]>;
}
