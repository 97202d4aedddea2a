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
