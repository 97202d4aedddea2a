/**
 * The vocabulary of runs: what a task reports, and what those who follow its channel read.
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
