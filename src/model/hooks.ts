/** Where an error of a user's code, or of the log, came up. */
export interface ErrorContext {
  /** What was being done. */
  stage:
    | "origins"
    | "authenticate"
    | "connect"
    | "authorize"
    | "publish"
    | "rpc"
    | "send"
    | "refresh"
    | "log"
    | "undelivered"
    | "redact"
    | "refused"
    | "socket"
    | "host"
    | "close"
    | "internal";
  /** For whom: a session, a channel, a run, a path. What is not safe to log in it is escaped. */
  owner: string;
}

/** The run whose failure is to be shown. */
export interface FailedRun {
  /** The run's id. */
  id: string;
  /** What it does, for people. */
  name: string | undefined;
  /** The only user who may follow it, if there is one. */
  owner: string | undefined;
}
