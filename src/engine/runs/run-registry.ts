import { checkChannel } from "../../access/peer-check.ts";
import { isText, shown } from "../../base/check.ts";
import type { Action } from "../../model/peer.ts";
import { isRunChannel, prefix, type RunOptions, runOfChannel, type Task } from "../../model/run.ts";
import { LiveRun, type RunObserver } from "./live-run.ts";
import type { RunContext } from "./run-channel.ts";

/** The maximum length of a run's name, in characters. */
const maxNameLength = 255;

/** The runs of one notifier: those that work, and those that ended a short time ago. */
export class RunRegistry implements RunObserver {
  readonly #context: RunContext;
  readonly #runs = new Map<string, LiveRun>();
  /** Runs whose ending has been neither written nor given up. */
  readonly #unsettled = new Set<LiveRun>();
  /** Ended runs, in the order in which they ended. */
  readonly #ended = new Set<LiveRun>();
  #bytes = 0;

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** Runs whose task still works. */
  get working(): LiveRun[] {
    return [...this.#unsettled].filter(({ status }) => status === "working");
  }

  /** Bytes that the ended runs take. */
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
    // A random id was never used before.
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

  /** Forgets the runs whose channel is no longer kept, and the oldest ended ones above `limits.endedBytes`. */
  #forget(): void {
    const { clock, settings, counters } = this.#context;
    const { runTtl, endedBytes } = settings.limits;
    const oldest = clock.now() - runTtl;
    for (const run of this.#ended) {
      const isExpired = run.endedAt <= oldest;
      if (!isExpired && this.#bytes <= endedBytes) break;
      if (!isExpired) counters.hit("endedBytes");
      this.#ended.delete(run);
      this.#runs.delete(run.id);
      this.#bytes -= run.bytes;
    }
  }

  /**
   * Settles once the run of this channel has written its start. Until then the channel may hold an earlier run with the
   * same id. Undefined if there is nothing to wait for.
   */
  begun(channel: string): Promise<void> | undefined {
    if (this.#unsettled.size === 0) return undefined;
    return this.#runs.get(runOfChannel(channel) ?? "")?.begun;
  }

  /** Returns the status of the channel's run, as JSON text. Undefined if there is no such run. */
  present(channel: string): string | undefined {
    const id = runOfChannel(channel);
    return id === undefined ? undefined : this.get(id)?.present;
  }

  /** Returns whether a user may do something with a run's channel. Undefined if the run does not decide. */
  allows(user: string, channel: string, type: Exclude<Action["type"], "cancel">): boolean | undefined {
    const id = runOfChannel(channel);
    if (id === undefined) return undefined;
    const run = this.get(id);
    if (run === undefined || type === "publish") return false;
    if (run.owner !== undefined && run.owner !== user) return false;
    // The id gives access to the channel, but not to its presence.
    return type === "presence" ? undefined : true;
  }

  /** Returns whether a user may cancel a run without a call of `authorize`. */
  isCancelledBy(user: string, id: string): boolean {
    const run = this.get(id);
    return run !== undefined && !run.asksToCancel && (run.owner === undefined || run.owner === user);
  }

  /**
   * Cancels a run for a client. If the client may not cancel the run, the result is the same as for a run that does not
   * exist.
   */
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

function checkedId({ id, owner, name, channel }: RunOptions, maxLength: number): string {
  if (name !== undefined && !isText(name, 0, maxNameLength)) {
    throw new TypeError(
      `Cannot run with the name ${shown(name)}: a name is a text of at most ${maxNameLength} characters`,
    );
  }
  if (owner !== undefined && !isText(owner, 1)) {
    throw new TypeError("Cannot run for an owner without a name: give a user's identity, or leave it out");
  }
  if (channel !== undefined) checkChannel(channel, maxLength);
  if (channel !== undefined && isRunChannel(channel)) {
    throw new TypeError(`Cannot announce a run on ${JSON.stringify(channel)}: that channel is a run's own`);
  }
  if (id === undefined) return crypto.randomUUID();
  if (!isText(id, 1, maxLength - prefix.length)) {
    throw new TypeError(
      `Cannot run "${String(id)}": an id is a text of 1 to ${maxLength - prefix.length} characters`,
    );
  }
  if (owner === undefined) {
    throw new TypeError(`Cannot run "${id}": an id of your own is no secret, so it needs an owner`);
  }
  return id;
}
