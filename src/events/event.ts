/** What happened to a job, in order. Ids and facts only: never a prompt, a key or a provider's URL. */
export interface EventRecord {
  id: number;
  /** `noun.past`, such as `job.completed`. */
  type: string;
  jobId: string | null;
  data: Record<string, unknown>;
  createdAt: Date;
}

export interface EventPage {
  /** The id of the last event that was seen; 0: none. */
  after: number;
  limit: number;
}
