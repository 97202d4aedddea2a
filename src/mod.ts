/**
 * Notifications that reach people, and stop when you tell them to.
 *
 * @module
 */

export type { Clock, Timer } from "./base/clock.ts";
export type { Pending, PendingKind } from "./base/scope.ts";
export type { Counted, LimitName } from "./engine/core/counters.ts";
export type { Limits } from "./engine/core/limits.ts";
export type { NotifierOptions } from "./engine/core/settings.ts";
export type { CloseOptions, CloseReport, CutSession } from "./engine/hub/close.ts";
export type { FollowOptions } from "./engine/hub/follow.ts";
export type { LogTotals } from "./engine/hub/log-totals.ts";
export type { Presence } from "./engine/hub/presence.ts";
export type { Stats } from "./engine/hub/stats.ts";
export type { Totals } from "./engine/hub/totals.ts";
export { createNotifier } from "./engine/notifier/create-notifier.ts";
export type { HistoryOptions, Notifier, PublishOptions, RestoreOptions } from "./engine/notifier/notifier.ts";
export {
  BusyError,
  CancelError,
  type CancelledBy,
  ClosedError,
  ExistsError,
  ExpiredError,
  type Failure,
  GapError,
  LogError,
  RunError,
  SealedError,
} from "./model/errors.ts";
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
} from "./model/events.ts";
export type { ErrorContext, FailedRun } from "./model/hooks.ts";
export type {
  AppendAllOptions,
  AppendEntry,
  AppendOptions,
  Entry,
  HeldRecord,
  Log,
  Member,
  Membership,
  Position,
  ReadOptions,
  Retention,
  Slice,
  WakeHint,
} from "./model/log.ts";
export type { Action, Authorize, ConnectCall, Identity, Peer, RpcCall, RpcHandler } from "./model/peer.ts";
export type { History, Publication } from "./model/publication.ts";
export type {
  DeliveredOptions,
  Delivery,
  Level,
  Receipt,
  Undelivered,
  UndeliveredReason,
} from "./model/receipt.ts";
export type { Refused } from "./model/refused.ts";
export type { Run, RunOptions, RunState, RunsReport, Task, TaskContext } from "./model/run.ts";
export type { RunEvent, RunLifecycleEvent, RunStatus } from "./model/run-event.ts";
export type { Session, SessionState, Socket } from "./model/socket.ts";
export type { RunEventsOf, RunOutput, TaskEvent, VocabularyEvent } from "./model/vocabulary.ts";
export type { Bound } from "./stores/bounds.ts";
export { type MemoryLogOptions, memoryLog } from "./stores/memory.ts";
