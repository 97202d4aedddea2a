/** A publication as it is read back. */
export interface Publication<Data = unknown> {
  readonly channel: string;
  readonly offset: number;
  readonly epoch: string;
  readonly data: Data;
  /** When it was published, in milliseconds since the Unix epoch. */
  readonly time: number;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** What is kept of a channel. */
export interface History<Data = unknown> {
  readonly channel: string;
  readonly epoch: string;
  /** The offset of the newest publication ever made in this epoch. */
  readonly offset: number;
  readonly publications: readonly Publication<Data>[];
}
