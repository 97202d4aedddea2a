import { checkChannel } from "../../access/peer-check.ts";
import { isText, shown } from "../../base/check.ts";
import type { Action } from "../../model/peer.ts";
import { isRunChannel, prefix, type RunOptions, runOfChannel, type Task } from "../../model/run.ts";
import { LiveRun, type RunObserver } from "./live-run.ts";
import type { RunContext } from "./run-channel.ts";

/** The longest name of a run, in characters. */
const longestName = 255;

/** The runs of one notifier: those that work, and those that ended a short while ago. */
export class RunRegistry implements RunObserver {
  readonly #context: RunContext;
  readonly #runs = new Map<string, LiveRun>();
  /** Those whose endings are neither written nor given up. */
  readonly #unsettled = new Set<LiveRun>();
  /** Those that ended, in the order in which they did. */
  readonly #ended = new Set<LiveRun>();
  #bytes = 0;

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** Runs that still work. */
  get working(): LiveRun[] {
    return [...this.#unsettled].filter(({ status }) => status === "working");
  }

  /** Bytes that those take which have ended. */
  get bytes(): number {
    this.#forget();
    return this.#bytes;
  }

  start(task: Task<unknown>, options: RunOptions): LiveRun {
    const id = checkedId(options, this.#context.settings.limits.channel);
    if (typeof task !== "function") throw new TypeError(`Cannot run "${id}": its task is not a function`);
    if (this.get(id) !== undefined) throw new TypeError(`Cannot run "${id}": a run with that id exists`);
    const run = new LiveRun(this.#context, id, options, this);
    this.#runs.set(id, run);
    this.#unsettled.add(run);
    // Nobody has ever used a random id.
    run.start(task, options.id !== undefined);
    return run;
  }

  ended(run: LiveRun): void {
    this.#ended.add(run);
    this.#bytes += run.bytes;
    this.#forget();
  }

  settled(run: LiveRun): void {
    this.#unsettled.delete(run);
  }

  get(id: string): LiveRun | undefined {
    this.#forget();
    return this.#runs.get(id);
  }

  list(): LiveRun[] {
    this.#forget();
    return [...this.#runs.values()];
  }

  clear(): void {
    this.#runs.clear();
    this.#unsettled.clear();
    this.#ended.clear();
    this.#bytes = 0;
  }

  /** Lets go of runs whose channel is no longer kept either, and of those that are too many. */
  #forget(): void {
    const { clock, settings, counters } = this.#context;
    const { runTtl, endedBytes } = settings.limits;
    const oldest = clock.now() - runTtl;
    for (const run of this.#ended) {
      const isOver = run.endedAt <= oldest;
      if (!isOver && this.#bytes <= endedBytes) break;
      if (!isOver) counters.hit("endedBytes");
      this.#ended.delete(run);
      this.#runs.delete(run.id);
      this.#bytes -= run.bytes;
    }
  }

  /**
   * Settles once the run that writes this channel has begun to; undefined where that need not be waited for. Until then an
   * earlier run of its id may be in the channel.
   */
  begun(channel: string): Promise<void> | undefined {
    if (this.#unsettled.size === 0) return undefined;
    return this.#runs.get(runOfChannel(channel) ?? "")?.begun;
  }

  /** The status of the run that writes this channel, as JSON text. */
  present(channel: string): string | undefined {
    const id = runOfChannel(channel);
    return id === undefined ? undefined : this.get(id)?.present;
  }

  /** Whether a user may do that with a run's channel; undefined where the run does not decide. */
  allows(user: string, channel: string, type: Exclude<Action["type"], "cancel">): boolean | undefined {
    const id = runOfChannel(channel);
    if (id === undefined) return undefined;
    const run = this.get(id);
    if (run === undefined || type === "publish") return false;
    if (run.owner !== undefined && run.owner !== user) return false;
    // The id opens the channel, but not who else is there.
    return type === "presence" ? undefined : true;
  }

  /** Whether a run is a user's to cancel without being asked about. */
  isCancelledBy(user: string, id: string): boolean {
    const run = this.get(id);
    return run !== undefined && !run.asksToCancel && (run.owner === undefined || run.owner === user);
  }

  /** Cancels for a client. A run that it may not cancel looks like one that is not there. */
  cancelFor(
    user: string,
    id: string,
    { isAuthorized, reason }: { isAuthorized: boolean; reason: string | undefined },
  ): "requested" | "finished" | "unknown" {
    const run = this.get(id);
    if (run === undefined) return "unknown";
    if (run.asksToCancel ? !isAuthorized : !this.isCancelledBy(user, id)) return "unknown";
    if (run.status !== "working") return "finished";
    run.cancelBy("client", reason);
    return "requested";
  }
}

function checkedId({ id, owner, name, channel }: RunOptions, longest: number): string {
  if (name !== undefined && !isText(name, 0, longestName)) {
    throw new TypeError(
      `Cannot run with the name ${shown(name)}: a name is a text of at most ${longestName} characters`,
    );
  }
  if (owner !== undefined && !isText(owner, 1)) {
    throw new TypeError("Cannot run for an owner without a name: give a user's identity, or leave it out");
  }
  if (channel !== undefined) checkChannel(channel, longest);
  if (channel !== undefined && isRunChannel(channel)) {
    throw new TypeError(`Cannot announce a run on ${JSON.stringify(channel)}: that channel is a run's own`);
  }
  if (id === undefined) return crypto.randomUUID();
  if (!isText(id, 1, longest - prefix.length)) {
    throw new TypeError(
      `Cannot run "${String(id)}": an id is a text of 1 to ${longest - prefix.length} characters`,
    );
  }
  if (owner === undefined) {
    throw new TypeError(`Cannot run "${id}": an id of your own is no secret, so it needs an owner`);
  }
  return id;
}
