/** A publication as it is read from a channel. */
export interface Publication<Data = unknown> {
  /** The channel's name. */
  readonly channel: string;
  /** The offset within the epoch. Offsets start at 1 and rise by 1, without gaps. */
  readonly offset: number;
  /** The epoch of the channel that the offset belongs to. */
  readonly epoch: string;
  /** The payload. */
  readonly data: Data;
  /** When the publication was made, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** The publication's tags: strings by name. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** The part of a channel that the log still holds. */
export interface History<Data = unknown> {
  /** The channel's name. */
  readonly channel: string;
  /** The channel's current epoch. */
  readonly epoch: string;
  /** The offset of the newest publication in this epoch. The log may no longer hold that publication. */
  readonly offset: number;
  /** The publications, in order of offset, without gaps. */
  readonly publications: readonly Publication<Data>[];
}
