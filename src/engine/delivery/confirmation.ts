import type { Position } from "../../model/log.ts";

/** What is needed to report a publication. */
export interface Content {
  readonly data: string;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly bytes: number;
  /**
   * Whether the end of its wait must be reported in time. True for a publication with `confirm`; for the ending of a
   * run only if there is an `onUndelivered` hook.
   */
  readonly isAwaited: boolean;
  /** Whether it is the ending of a run, which never waits for capacity and takes none from others. */
  readonly isEnding: boolean;
  /** The record that the log holds for it until it is discharged or given up. Undefined if the log holds none. */
  readonly record: string | undefined;
}

/** A confirmed publication on its way into the log. */
export interface Confirmation {
  readonly channel: string;
  readonly content: Content;
  readonly time: number;
  /** Milliseconds after which it is given up. */
  readonly ttl: number;
  readonly signal: AbortSignal | undefined;
  /** Called as soon as it is in the log. */
  readonly logged?: ((position: Position) => void) | undefined;
}

/** The reason with which a publication is withdrawn to be published again: it is not given up, so nobody is told. */
export class WithdrawnError extends Error {
  override readonly name = "WithdrawnError";
}
