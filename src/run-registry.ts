import { checkChannel } from "./check.ts";
import type { Hub } from "./hub.ts";
import type { Action } from "./peer.ts";
import { isRunChannel, LiveRun, prefix, type RunOptions, type Task } from "./run-task.ts";

/** The runs of one notifier: those that work, and those that ended a short while ago. */
export class RunRegistry {
  readonly #hub: Hub;
  readonly #runs = new Map<string, LiveRun>();
  /** Those that ended, in the order in which they did. */
  readonly #ended = new Set<LiveRun>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Runs that still work. */
  get working(): LiveRun[] {
    return this.list().filter(({ status }) => status === "working");
  }

  start(task: Task<unknown>, options: RunOptions): LiveRun {
    const id = checkedId(options, this.#hub.settings.limits.channel);
    if (typeof task !== "function") throw new TypeError(`Cannot run "${id}": its task is not a function`);
    if (this.get(id) !== undefined) throw new TypeError(`Cannot run "${id}": a run with that id exists`);
    const run = new LiveRun(this.#hub, id, options, (ended) => this.#ended.add(ended));
    this.#runs.set(id, run);
    run.start(task);
    return run;
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
    this.#ended.clear();
  }

  /** Lets go of runs whose channel is no longer kept either. */
  #forget(): void {
    const oldest = this.#hub.clock.now() - this.#hub.settings.limits.runTtl;
    for (const run of this.#ended) {
      if (run.endedAt > oldest) break;
      this.#ended.delete(run);
      this.#runs.delete(run.id);
    }
  }

  /** The status of the run that writes this channel, as JSON text. */
  present(channel: string): string | undefined {
    return isRunChannel(channel) ? this.get(channel.slice(prefix.length))?.present : undefined;
  }

  /** Whether a user may do that with a run's channel; undefined where the run does not decide. */
  allows(user: string, channel: string, type: Exclude<Action["type"], "cancel">): boolean | undefined {
    if (!isRunChannel(channel)) return undefined;
    const run = this.get(channel.slice(prefix.length));
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

function checkedId({ id, owner, channel }: RunOptions, longest: number): string {
  if (owner !== undefined && (typeof owner !== "string" || owner === "")) {
    throw new TypeError("Cannot run for an owner without a name: give a user's identity, or leave it out");
  }
  if (channel !== undefined) checkChannel(channel, longest);
  if (channel !== undefined && isRunChannel(channel)) {
    throw new TypeError(`Cannot announce a run on ${JSON.stringify(channel)}: that channel is a run's own`);
  }
  if (id === undefined) return crypto.randomUUID();
  if (typeof id !== "string" || id === "" || id.length + prefix.length > longest) {
    throw new TypeError(
      `Cannot run "${String(id)}": an id is a text of 1 to ${longest - prefix.length} characters`,
    );
  }
  if (owner === undefined) {
    throw new TypeError(`Cannot run "${id}": an id of your own is no secret, so it needs an owner`);
  }
  return id;
}
