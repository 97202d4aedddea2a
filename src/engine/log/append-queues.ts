import { LinkedNode } from "../../base/linked-list.ts";
import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import { type Pending, type PendingKind, Scope } from "../../base/scope.ts";
import { BusyError, closed } from "../../model/errors.ts";
import type { AppendOptions, Position } from "../../model/log.ts";
import { type AppendQueuesParts, type AppendSteps, bytesOf, Queue, Waiting } from "./append-queue.ts";
import type { Burst } from "./burst.ts";
import { Bursts } from "./bursts.ts";
import { LogAppender } from "./log-appender.ts";
import { Pace } from "./pace.ts";

/**
 * Brings publications to the log in the order in which they were made, and no faster than turns of the event loop allow.
 *
 * A log that fails is tried again until the caller's signal aborts or the queues end; whatever is published to the same
 * channel meanwhile waits behind, since overtaking would change the order. Channels that wait for the next turn are served
 * one publication each, round and round, so that one which publishes a lot holds up no other.
 *
 * Who publishes to a channel faster than it is read waits for subscribers that are behind by half of what the log keeps,
 * as long as they read. One that does not, or does not come on, is not waited for.
 */
export class AppendQueues {
  readonly #parts: AppendQueuesParts;
  /** A lifetime of its own: what is under way ends before sessions are flushed. */
  readonly #scope: Scope;
  readonly #pace: Pace;
  readonly #appender: LogAppender;
  /** By channel, where something is not in the log yet. */
  readonly #queues = new Map<string, Queue>();
  /** The queues that wait for the next turn, and those that wait for subscribers to catch up. */
  readonly #rotation = new LinkedNode();
  readonly #held = new LinkedNode();
  readonly #bursts: Bursts;
  #disarm: (() => void) | undefined;
  #size = 0;
  #bytes = 0;
  /** Whether a publication was refused since there was room: that is reported once, too. */
  #isBusy = false;
  #quiet: (() => void) | undefined;
  #ended = false;

  constructor(parts: AppendQueuesParts) {
    const { clock, onError, parent, log, turn = 2_097_152 } = parts;
    this.#parts = parts;
    this.#scope = new Scope(clock, onError, parent);
    this.#pace = new Pace({ clock, log, most: turn, isHeard: parts.isHeard, schedule: parts.schedule });
    this.#bursts = new Bursts(parts);
    this.#appender = new LogAppender({ log, clock, onError, scope: this.#scope });
  }

  /** How many appends are under way or waiting. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of those. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Everything the queues own now. */
  inspect(): Pending[] {
    const now = this.#parts.clock.now();
    const waiting = Array.from(this.#queues.values(), ({ channel, first, size }): Pending => {
      const behind = size > 1 ? ` and ${size - 1} behind it` : "";
      return { kind: "wait", owner: `publish ${channel}${behind}`, age: now - first.since };
    });
    return [...waiting, ...this.#scope.inspect().filter(({ kind }) => kind !== "wait")];
  }

  count(kind: PendingKind): number {
    return kind === "wait" ? this.#size : this.#scope.count(kind);
  }

  /** Appends after all that was given for the channel before. Rejects with a `BusyError` where too much waits. */
  append(
    channel: string,
    data: string,
    options: AppendOptions,
    steps?: AppendSteps | undefined,
  ): MaybePromise<Position> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (this.#ended) return Promise.reject(closed("publish"));
    let appending: Promise<Position> | undefined;
    if (steps?.appended === undefined && this.#goesAtOnce(channel, data)) {
      const answer = this.#appender.append(channel, data, options);
      if (!(answer instanceof Promise)) {
        this.#count(channel, data, answer);
        return answer;
      }
      appending = answer;
    }
    if (appending === undefined && this.#isFull(data) && steps?.isExempt !== true)
      return Promise.reject(this.#refuse(channel));
    return new Promise((resolve, reject) => {
      const since = this.#parts.clock.now();
      this.#enter(channel, new Waiting({ data, options, steps, since }, resolve, reject), appending);
    });
  }

  /** Whether a publication needs no queue: the log appends at once, nobody waits, and this turn has room, which is taken. */
  #goesAtOnce(channel: string, data: string): boolean {
    if (!this.#appender.isAtOnce || (this.#queues.size > 0 && this.#queues.has(channel))) return false;
    return !this.#bursts.holds(channel) && this.#pace.take(channel, data.length);
  }

  /** Something was appended. */
  #count(channel: string, data: string, { offset }: Position): void {
    this.#parts.appended?.(channel);
    this.#bursts.count(channel, data.length, offset);
  }

  /** The first always finds room, however large it is. */
  #isFull(data: string): boolean {
    return this.#bytes > 0 && this.#bytes + bytesOf(data) > this.#parts.most;
  }

  #refuse(channel: string): BusyError {
    const { most, onError, refused } = this.#parts;
    const error = new BusyError(
      `Cannot publish to ${JSON.stringify(channel)}: ${this.#size} publications wait, and limits.waiting is ${most} bytes`,
    );
    refused?.();
    // Its caller may not be listening.
    if (!this.#isBusy) onError(error, `publish ${channel}`);
    this.#isBusy = true;
    return error;
  }

  /** `appending`: it is the first, and has begun already. */
  #enter(channel: string, item: Waiting, appending: Promise<Position> | undefined): void {
    let queue = this.#queues.get(channel);
    const isFirst = queue === undefined;
    if (queue === undefined) {
      queue = new Queue(channel);
      this.#queues.set(channel, queue);
    }
    item.moveTo(queue.waiting);
    queue.size++;
    this.#size++;
    this.#bytes += item.bytes;
    const { signal } = item.options;
    if (isFirst && item.steps?.isUrgent === true) queue.mayHold = false;
    if (appending !== undefined) this.#finishLater(queue, item, appending);
    else if (isFirst) this.#advance(queue);
    if (signal === undefined || item.isUnlinked || (queue.isBusy && queue.first === item)) return;
    const owner = queue;
    item.unlink = this.#scope.link(signal, (reason) => this.#withdraw(owner, item, reason));
  }

  /** Nobody waits for it any more, and it is not on its way yet. */
  #withdraw(queue: Queue, item: Waiting, reason: unknown): void {
    this.#remove(queue, item);
    item.reject(reason);
    this.#goOn(queue);
  }

  #remove(queue: Queue, item: Waiting): void {
    if (item.isUnlinked) return;
    item.leave();
    item.unlink?.();
    queue.size--;
    this.#size--;
    this.#bytes -= item.bytes;
    if (this.#bytes * 2 <= this.#parts.most) this.#isBusy = false;
  }

  /** Appends what waits for a channel, as far as the log answers at once and this turn has room. */
  #advance(queue: Queue): void {
    while (queue.size > 0 && !queue.isBusy) {
      if (queue.mayHold && this.#bursts.holds(queue.channel)) return this.#hold(queue);
      if (this.#pace.take(queue.channel, queue.first.data.length)) this.#start(queue);
      else return this.#rotate(queue);
    }
    this.#goOn(queue);
  }

  #rotate(queue: Queue): void {
    queue.moveTo(this.#rotation);
    this.#bursts.observe(queue.channel, 0, this.#pace.recent);
  }

  /** A subscriber has no room for what is up to the top of its channel. Of a log without slack it has no more to expect. */
  fallsBehind(channel: string, top: number): void {
    const { slack = 0 } = this.#parts.log.keeps?.(channel) ?? {};
    if (slack > 0) this.#bursts.observe(channel, top, this.#pace.recent);
  }

  /** Whether sockets have to come before the turn that is due; see {@linkcode Pace.needsRest}. */
  get needsRest(): boolean {
    return this.#pace.needsRest(!this.#rotation.isUnlinked);
  }

  /** A turn has come: channels that wait for it are served one publication each, round and round. */
  turn(): void {
    this.#pace.turn();
    for (const burst of this.#bursts) this.#endTurn(burst);
    let refused = 0;
    while (!this.#rotation.isUnlinked && refused < this.#queues.size) {
      const queue = this.#rotation.newer as Queue;
      queue.moveTo(this.#rotation);
      if (!this.#pace.take(queue.channel, queue.first.data.length)) {
        if (this.#pace.isSpent) return;
        refused++;
        continue;
      }
      refused = 0;
      this.#start(queue);
      this.#goOn(queue);
    }
  }

  /** Has a channel wait where subscribers could lose their place to what is published next. */
  #endTurn(burst: Burst): void {
    const queue = this.#queues.get(burst.channel);
    this.#bursts.endTurn(burst, queue !== undefined);
    if (queue === undefined) return;
    if (burst.isHeld && queue.mayHold && !queue.isBusy) this.#hold(queue);
    else if (queue.isHeld) this.#letGo(queue);
  }

  /** Has a channel wait. In the coming turns it is looked again, and when nobody has come on for a while. */
  #hold(queue: Queue): void {
    if (!queue.isHeld) this.#pace.schedule();
    queue.isHeld = true;
    queue.moveTo(this.#held);
    const left = this.#bursts.left(queue.channel);
    this.#disarm ??= this.#scope.timer("subscribers behind a burst", left, () => {
      this.#disarm = undefined;
      this.caughtUp();
    });
  }

  #letGo(queue: Queue): void {
    queue.isHeld = false;
    this.#rotate(queue);
    this.#disarmIdle();
  }

  /** The only one that waits for a channel waits for no subscribers any more. */
  hurry(channel: string): void {
    const queue = this.#queues.get(channel);
    if (queue?.size !== 1) return;
    queue.mayHold = false;
    this.caughtUp();
  }

  /** A subscriber has read something, or time has passed: channels that wait for it look again in the coming turn. */
  caughtUp(): void {
    if (!this.#held.isUnlinked) this.#pace.schedule();
  }

  /** Disarms the timer where no channel waits for subscribers. */
  #disarmIdle(): void {
    if (!this.#held.isUnlinked) return;
    this.#disarm?.();
    this.#disarm = undefined;
  }

  /** Appends the first publication of a queue. */
  #start(queue: Queue): void {
    const item = queue.first;
    item.unlink?.();
    item.unlink = undefined;
    const append = (): MaybePromise<Position> =>
      this.#appender.append(queue.channel, item.data, item.options);
    const appending = andThen(item.steps?.admit?.(), append);
    if (appending instanceof Promise) this.#finishLater(queue, item, appending);
    else this.#appended(queue, item, appending);
  }

  #finishLater(queue: Queue, item: Waiting, appending: Promise<Position>): void {
    queue.isBusy = true;
    queue.leave();
    void this.#finish(queue, item, appending);
  }

  async #finish(queue: Queue, item: Waiting, appending: Promise<Position>): Promise<void> {
    try {
      this.#appended(queue, item, await appending);
    } catch (error) {
      this.#remove(queue, item);
      item.reject(error);
    }
    queue.isBusy = false;
    if (!this.#ended) this.#advance(queue);
  }

  #appended(queue: Queue, item: Waiting, position: Position): void {
    this.#remove(queue, item);
    item.steps?.appended?.(position);
    this.#count(queue.channel, item.data, position);
    item.resolve(position);
  }

  /** Lets go of a queue in which nothing waits any more. */
  #goOn(queue: Queue): void {
    if (queue.size > 0 || this.#queues.get(queue.channel) !== queue) return;
    queue.leave();
    if (queue.isHeld) this.#disarmIdle();
    this.#queues.delete(queue.channel);
    if (this.#queues.size === 0) this.#quiet?.();
  }

  /** From now on subscribers are not waited for: there is no time left. */
  hasten(): void {
    this.#bursts.hasten();
    this.caughtUp();
  }

  /** Settles once nothing is under way. */
  idle(): Promise<void> {
    return this.#scope.wait<void>("publications under way", undefined, ({ resolve }) => {
      this.#quiet = resolve;
      if (this.#queues.size === 0) resolve();
      return () => {
        this.#quiet = undefined;
      };
    });
  }

  /** Ends the queues: whatever is not in the log by now rejects with a `ClosedError`. */
  end(): void {
    this.#ended = true;
    this.#appender.end();
    const reason = closed("publish");
    this.#scope.end(reason);
    for (const queue of this.#queues.values()) {
      while (queue.size > 0) {
        const item = queue.first;
        this.#remove(queue, item);
        item.reject(reason);
      }
      queue.leave();
    }
    this.#queues.clear();
    this.#bursts.clear();
  }
}
