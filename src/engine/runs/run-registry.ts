import { checkChannel } from "../../access/peer-check.ts";
import { isObject, isText, shown } from "../../base/check.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import { LogError } from "../../model/errors.ts";
import {
  isRunChannel,
  prefix,
  type RunOptions,
  type RunState,
  runOfChannel,
  type Task,
} from "../../model/run.ts";
import { inBatches, tryAgain } from "../log/try-again.ts";
import { KeptEndings } from "./kept-endings.ts";
import { LiveRun } from "./live-run.ts";
import { checkReason, mayCancel } from "./run-access.ts";
import type { RunContext } from "./run-channel.ts";
import type { RunObserver } from "./run-observer.ts";
import type { StoredRun } from "./run-state.ts";
import { readResult, readStored } from "./stored-runs.ts";

/** The maximum length of a run's name, in characters. */
const maxNameLength = 255;
/** The maximum length of a run's owner, in characters: a log keeps it with the channel. */
const maxOwnerLength = 1_000;

/** The kind of message that asks a node to cancel a run. */
const cancelling = "cancel";

/** Who cancels a run of another node, and why. */
interface Cancelling {
  readonly by: "client" | "caller";
  readonly reason: string | undefined;
}

/** What a client asks for that wants to cancel a run. */
interface CancelRequest {
  readonly isAuthorized: boolean;
  readonly reason: string | undefined;
  readonly stored: StoredRun | undefined;
}

/** The runs of one notifier: those that work, and those that ended a short time ago. */
export class RunRegistry implements RunObserver<LiveRun> {
  readonly #context: RunContext;
  readonly #runs = new Map<string, LiveRun>();
  /** Runs whose ending has been neither written nor given up. */
  readonly #unsettled = new Set<LiveRun>();
  /** Runs whose ending has been written or given up, in that order. */
  readonly #ended = new Set<LiveRun>();
  readonly #endings = new KeptEndings<LiveRun>();
  /** Endings that were forgotten while the log was being renewed: it may have taken long to answer. */
  readonly #late = new Map<LiveRun, string>();
  /** How many renewals are under way. */
  #renewals = 0;
  #bytes = 0;

  constructor(context: RunContext) {
    this.#context = context;
    context.nodes.on(cancelling, (body) => this.#cancelFor(body));
  }

  /** Runs whose task still works. */
  get working(): LiveRun[] {
    return [...this.#unsettled].filter(({ status }) => status === "working");
  }

  /** Runs that work, or whose ending is being written or announced. */
  get unsettled(): LiveRun[] {
    return [...this.#unsettled];
  }

  /** Whether a run works, or its ending is being written. */
  get isBusy(): boolean {
    return this.#unsettled.size > 0;
  }

  /** Bytes that the ended runs take. */
  get bytes(): number {
    this.#forget();
    return this.#bytes + this.#endings.bytes;
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

  written(run: LiveRun, data: string): void {
    // Alone, a store is not set back while its process lives.
    if (this.#context.nodes.id !== undefined) this.#endings.add(run, data);
  }

  settled(run: LiveRun): void {
    this.#unsettled.delete(run);
    if (this.#runs.get(run.id) !== run) return; // it was refused
    this.#ended.add(run);
    this.#bytes += run.bytes;
    this.#forget();
  }

  refused(run: LiveRun): void {
    this.#remove(run);
  }

  /** Another run may have its id by now. */
  #remove(run: LiveRun): void {
    if (this.#runs.get(run.id) === run) this.#runs.delete(run.id);
  }

  get(id: string): LiveRun | undefined {
    this.#forget();
    return this.#runs.get(id);
  }

  list(): LiveRun[] {
    this.#forget();
    return [...this.#runs.values()];
  }

  /** Called when the log takes this process for gone: another one ends what has begun here. */
  lose(error: Error): void {
    for (const run of [...this.#unsettled]) run.lose(error);
  }

  /** Called when the store was set back or lost: what it must know of the runs of this process is written again. */
  async renew(): Promise<void> {
    this.#forget();
    let forgotten = 0;
    this.#renewals++;
    await inBatches([...new Set([...this.#unsettled, ...this.#ended])], async (run) => {
      try {
        if (await run.renew(() => this.#endings.get(run) ?? this.#late.get(run))) forgotten++;
      } catch (error) {
        // The others must be renewed all the same.
        this.#context.report(error, "log", `renew ${run.label}`);
      }
    });
    if (--this.#renewals === 0) this.#late.clear();
    if (forgotten === 0) return;
    const what = `the endings of ${forgotten} runs are lost, and too old or too many to be written again`;
    this.#context.report(new LogError(`Cannot renew the log: ${what}`), "log", "runs");
  }

  clear(): void {
    this.#runs.clear();
    this.#unsettled.clear();
    this.#ended.clear();
    this.#endings.clear();
    this.#late.clear();
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
      const ending = this.#endings.get(run);
      if (ending !== undefined && this.#renewals > 0) this.#late.set(run, ending);
      this.#endings.delete(run);
      this.#remove(run);
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

  /**
   * Finds what the log says of a run that is not of this process. Undefined if there is none, and for a log that does not
   * outlive the process: all its runs are here.
   */
  stored(id: string | undefined, signal?: AbortSignal): MaybePromise<StoredRun | undefined> {
    if (id === undefined || !this.#context.records.isKept || this.get(id) !== undefined) return undefined;
    return readStored(this.#context, id, signal);
  }

  /** Finds a run of this process, or in the log. */
  async find(id: string): Promise<RunState | undefined> {
    const live = this.get(id);
    if (live !== undefined) {
      const { name, owner, status, startTime: started, endTime: ended } = live;
      const result: RunState["result"] = (options) => live.result(options);
      return { id, name, owner, status, started, ended, result, cancel: (reason) => live.cancel(reason) };
    }
    if (!isText(id, 1, this.#context.settings.limits.channel - prefix.length)) return undefined;
    const search = `find run:${id}`;
    const stored = await tryAgain(this.#context, search, () => readStored(this.#context, id));
    if (stored === undefined) return undefined;
    const { name, owner, status, started, ended } = stored;
    const result: RunState["result"] = ({ signal } = {}) => readResult(this.#context, id, signal);
    const cancel = async (reason?: string): Promise<void> => {
      checkReason(`run:${id}`, reason);
      if (status === "working") this.#cancelElsewhere(id, stored.node, { by: "caller", reason });
      await result().catch(() => {});
    };
    return { id, name, owner, status, started, ended, result, cancel };
  }

  /**
   * Cancels a run for a client. If the client may not cancel the run, the result is the same as for a run that does not
   * exist. `stored` is what the log says of a run that is not of this process.
   */
  cancelFor(
    user: string,
    id: string,
    { isAuthorized, reason, stored }: CancelRequest,
  ): "requested" | "finished" | "unknown" {
    const run = this.get(id);
    const facts = run ?? stored;
    if (facts === undefined) return "unknown";
    if (facts.asksToCancel ? !isAuthorized : !mayCancel(facts, user)) return "unknown";
    if (facts.status !== "working") return "finished";
    if (run !== undefined) run.cancelBy("client", reason);
    else if (!this.#cancelElsewhere(id, stored?.node, { by: "client", reason })) return "unknown";
    return "requested";
  }

  /** Asks the node that runs it to cancel a run. Returns whether there is one. */
  #cancelElsewhere(id: string, node: string | undefined, why: Cancelling): boolean {
    const { nodes, scope } = this.#context;
    if (node === undefined || node === nodes.id) return false;
    scope.own("task", `cancel run:${id} of ${node}`, nodes.tell(node, cancelling, { id, ...why }));
    return true;
  }

  #cancelFor(body: unknown): void {
    if (!isObject(body)) return;
    const { id, by, reason } = body;
    const run = typeof id === "string" ? this.get(id) : undefined;
    run?.cancelBy(by === "caller" ? "caller" : "client", typeof reason === "string" ? reason : undefined);
  }
}

function checkedId({ id, owner, name, channel }: RunOptions, maxLength: number): string {
  if (name !== undefined && !isText(name, 0, maxNameLength)) {
    throw new TypeError(
      `Cannot run with the name ${shown(name)}: a name is a text of at most ${maxNameLength} characters`,
    );
  }
  if (owner !== undefined && !isText(owner, 1, maxOwnerLength)) {
    throw new TypeError(
      `Cannot run for this owner: give a user's identity of 1 to ${maxOwnerLength} characters, or leave it out`,
    );
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
