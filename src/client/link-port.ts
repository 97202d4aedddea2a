import type { Feed } from "./feed.ts";
import type { ClientStatus } from "./options.ts";

/** The parameters of a command. They name a channel or a method. */
export type Params = { channel?: string; method?: string; [more: string]: unknown };

/** The connection of a client, as the other parts of the client use it. */
export interface Link {
  readonly status: ClientStatus;
  readonly feed: Feed;
  /**
   * Sends a command once there is a connection, and returns its result. Rejects with a TypeError when `params` cannot
   * be sent as JSON. Rejects with a ReplyError, whose message names `verb`, when the server refuses, or when the
   * connection ends before the reply arrives. With `again`, a command of up to `frame` characters is then sent again
   * instead.
   */
  call<T>(
    name: string,
    verb: string,
    params: Params,
    signal: AbortSignal | undefined,
    again?: boolean,
  ): Promise<T>;
  /** Sends the last acknowledgements and closes. Pending waits reject with `reason`. Settles once nothing is left. */
  close(reason: unknown): Promise<void>;
}
