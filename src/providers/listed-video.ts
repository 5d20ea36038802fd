import type { JsonObject } from '../core/json.ts';
import type { Operation, Plan } from './provider.ts';

/**
 * How well a listed video fits a plan. A difference never proves that a video is another one: servers trim, normalise, cut
 * and rename what they are given.
 * - `match`: it says enough about itself, and all of it is the plan's, up to how it is written.
 * - `near`: it may be the plan's, told in fewer or other words.
 * - `other`: something that it says is not the plan's.
 */
export type Fit = 'match' | 'near' | 'other';

/** A video in a provider's list. */
export interface ListedVideo {
  /** Undefined where the list tells no id. */
  operation: Operation | undefined;
  /** Ms since the epoch by the provider's clock; undefined when the list does not say. */
  createdAt: number | undefined;
  /** The idempotency key that it was created with, where the provider keeps it. */
  marker: string | undefined;
  /** What an operator is shown of it: no prompt, no address. */
  shown: JsonObject;
  fits(plan: Plan): Fit;
}

/** One page of a provider's list, newest first. */
export interface ListPage {
  videos: ListedVideo[];
  /** Ms since the epoch by the provider's clock when it answered; undefined when it does not say. */
  servedAt: number | undefined;
}
