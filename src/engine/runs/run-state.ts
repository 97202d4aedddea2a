import { readFormatted, textOf } from "../../base/formatted.ts";
import type { RunStatus } from "../../model/run-event.ts";

/** What a run's channel says of its run: everything that another process must know of it. */
export interface StoredRun {
  readonly run: string;
  readonly name: string | undefined;
  readonly owner: string | undefined;
  /** Whether only those may cancel it whom `authorize` allows to. */
  readonly asksToCancel: boolean;
  /** The channel on which its start and its ending are announced. */
  readonly announced: string | undefined;
  readonly status: RunStatus;
  /** The node that runs it. Undefined if one process works with the log alone. */
  readonly node: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly started: number;
  readonly ended: number | undefined;
}

/** The format of the text. A text of another format says nothing to this version. */
const format = 1;

const statuses: readonly unknown[] = ["working", "completed", "failed", "cancelled"] satisfies RunStatus[];

/** Returns the state of a run as text. */
export function stateOf(stored: StoredRun): string {
  return JSON.stringify({ format, ...stored });
}

/** Reads the state of a channel. Returns undefined for a channel that is no run's, and for an unknown format. */
export function storedIn(state: string | undefined): StoredRun | undefined {
  if (state === undefined) return undefined;
  const read = readFormatted(state, format);
  if (typeof read?.run !== "string") return undefined;
  const { run, status, started } = read;
  if (!statuses.includes(status) || typeof started !== "number") return undefined;
  return {
    run,
    name: textOf(read.name),
    owner: textOf(read.owner),
    asksToCancel: read.asksToCancel === true,
    announced: textOf(read.announced),
    status: status as RunStatus,
    node: textOf(read.node),
    started,
    ended: typeof read.ended === "number" ? read.ended : undefined,
  };
}

/** The status of a run as JSON text, as each new subscriber is sent it. */
export function presentOf({ run, name, status }: Pick<StoredRun, "run" | "name" | "status">): string {
  return JSON.stringify({ run, name, status });
}
