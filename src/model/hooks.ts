/** The place where the user's code, or the log, failed. */
export interface ErrorContext {
  /** The operation that failed. */
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
  /** What the operation was for: a session, a channel, a run or a path. It is escaped, so that it is safe to log. */
  owner: string;
}

/** The run whose failure is about to be shown to clients. */
export interface FailedRun {
  /** The run's id. */
  id: string;
  /** A description of the run, for people. */
  name: string | undefined;
  /** The only user who may follow the run, if the run has an owner. */
  owner: string | undefined;
}
