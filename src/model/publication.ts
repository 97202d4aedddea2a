/** A publication as it is read back. */
export interface Publication<Data = unknown> {
  /** The channel's name. */
  readonly channel: string;
  /** Its place within the epoch, from 1 on, without holes. */
  readonly offset: number;
  /** Which life of the channel the offset belongs to. */
  readonly epoch: string;
  /** What was published. */
  readonly data: Data;
  /** When it was published, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** Texts about it, by name. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** What is kept of a channel. */
export interface History<Data = unknown> {
  /** The channel's name. */
  readonly channel: string;
  /** The channel's present epoch. */
  readonly epoch: string;
  /** The offset of the newest publication ever made in this epoch. */
  readonly offset: number;
  /** In order of offset, without a hole. */
  readonly publications: readonly Publication<Data>[];
}
