/**
 * The vocabulary of runs: the events that a task reports, and that followers of its channel read.
 *
 * @module
 */

export {
  type OutputEvent,
  output,
  type ProgressEvent,
  progress,
  type RunEvent,
  type RunLifecycleEvent,
  type RunStatus,
} from "./model/run-event.ts";
