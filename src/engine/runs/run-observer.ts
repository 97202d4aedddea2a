/** Informed about the life of a run. The registry implements it. */
export interface RunObserver<Run> {
  /** Called when the ending that this process has written is in the log. */
  written(run: Run, data: string): void;
  /** Called when the ending is in the log, or has been given up. */
  settled(run: Run): void;
  /** Called when the log refused the run, because another run with its id is kept. Nothing of it was written. */
  refused(run: Run): void;
}
