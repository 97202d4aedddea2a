/**
 * Notifications that reach people, and stop when you tell them to.
 *
 * @module
 */

export type { Bound } from "./bounds.ts";
export type { Clock, Timer } from "./clock.ts";
export type { CloseOptions, CloseReport, CutSession } from "./close.ts";
export type { Counted, LimitName } from "./counters.ts";
export {
  BusyError,
  CancelError,
  type CancelledBy,
  ClosedError,
  ExpiredError,
  type Failure,
  GapError,
  LogError,
  RunError,
} from "./errors.ts";
export type {
  EventInput,
  EventInputsOf,
  EventOf,
  EventOutput,
  EventSchema,
  EventSchemas,
  EventsOf,
  SchemaIssue,
  SchemaResult,
  SchemasOf,
} from "./events.ts";
export type { FollowOptions } from "./follow.ts";
export type { ErrorContext, FailedRun } from "./hooks.ts";
export type { Limits } from "./limits.ts";
export type { AppendOptions, Entry, Log, Position, ReadOptions, Retention, Slice } from "./log.ts";
export { type MemoryLogOptions, memoryLog } from "./memory.ts";
export {
  createNotifier,
  type HistoryOptions,
  type Notifier,
  type PublishOptions,
} from "./notifier.ts";
export type { Action, Authorize, ConnectCall, Identity, Peer, RpcCall, RpcHandler } from "./peer.ts";
export type { Presence } from "./presence.ts";
export type { History, Publication } from "./publication.ts";
export type {
  DeliveredOptions,
  Delivery,
  Level,
  Receipt,
  Undelivered,
  UndeliveredReason,
} from "./receipt.ts";
export type { Refused } from "./refused.ts";
export type { RunEvent, RunLifecycleEvent, RunStatus } from "./run-event.ts";
export type { Run, RunOptions, RunsReport, Task, TaskContext } from "./run-task.ts";
export type { Pending, PendingKind } from "./scope.ts";
export type { NotifierOptions } from "./settings.ts";
export type { Session, Socket } from "./socket.ts";
export type { Stats } from "./stats.ts";
export type { Totals } from "./totals.ts";
export type { RunEventsOf, RunOutput, TaskEvent, VocabularyEvent } from "./vocabulary.ts";
