import { LinkedNode } from "../../base/linked-list.ts";
import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import { type Pending, type PendingKind, Scope } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { AppendOptions, Position } from "../../model/log.ts";
import { type AppendQueuesParts, type AppendSteps, bytesOf, Queue, Waiting } from "./append-queue.ts";
import type { Burst } from "./burst.ts";
import { Bursts } from "./bursts.ts";
import { Commits } from "./commits.ts";
import { HeldQueues } from "./held-queues.ts";
import { LogAppender } from "./log-appender.ts";
import { Pace } from "./pace.ts";
import { pendingIn } from "./pending-appends.ts";
import { appendTogether, together } from "./together.ts";
import { WaitingRoom } from "./waiting-room.ts";

/**
 * Appends publications to the log in the order of their calls, and no faster than the turns of the event loop allow.
 *
 * If the log fails, an append is retried until the caller's signal aborts or the queues end. Later publications to the
 * same channel wait behind it, because overtaking would change the order. Channels that wait for the next turn are
 * served round robin, one publication each, so a channel with many publications does not delay the others.
 *
 * If a publisher is faster than the subscribers of its channel, its publications wait for subscribers that are behind
 * by half of what the log keeps. They do not wait for a subscriber that does not read, or that makes no progress.
 */
export class AppendQueues {
  readonly #parts: AppendQueuesParts;
  /** A scope of its own: appends in progress end before sessions are flushed. */
  readonly #scope: Scope;
  readonly #pace: Pace;
  readonly #appender: LogAppender;
  /** What the log has not committed yet; undefined for a log that does not commit. */
  readonly commits: Commits | undefined;
  /** By channel, while the channel has publications that are not in the log yet. */
  readonly #queues = new Map<string, Queue>();
  /** The queues that wait for the next turn. */
  readonly #rotation = new LinkedNode();
  readonly #held: HeldQueues;
  readonly #bursts: Bursts;
  readonly #room: WaitingRoom;
  #quiet: (() => void) | undefined;
  #ended = false;

  constructor(parts: AppendQueuesParts) {
    const { clock, onError, parent, log, health, joining, schedule, turn = 2_097_152 } = parts;
    this.#parts = parts;
    this.#scope = new Scope(clock, onError, parent);
    this.#pace = new Pace({ clock, log, most: turn, isHeard: parts.isHeard, schedule });
    this.#held = new HeldQueues({ scope: this.#scope, schedule: () => this.#pace.schedule() });
    this.#bursts = new Bursts(parts);
    const scope = this.#scope;
    this.#appender = new LogAppender({ log, clock, health, onError, scope, ...(joining && { joining }) });
    const drained = (): void => this.#checkIdle();
    this.commits = log.commit && new Commits({ log, clock, scope, health, schedule, onError, drained });
    this.#room = new WaitingRoom(parts, this.commits);
  }

  /** Number of appends in progress or waiting. */
  get size(): number {
    return this.#room.size;
  }

  /** Bytes of the appends in progress or waiting. */
  get bytes(): number {
    return this.#room.bytes;
  }

  /** Returns everything that the queues own now. The waits are those of publications. */
  inspect(): Pending[] {
    const waiting = pendingIn(this.#queues.values(), this.commits, this.#parts.clock.now());
    return [...waiting, ...this.#scope.inspect().filter(({ kind }) => kind !== "wait")];
  }

  count(kind: PendingKind): number {
    return kind === "wait" ? this.size : this.#scope.count(kind);
  }

  /** Appends a publication behind all earlier ones of its channel. Rejects with a `BusyError` if too much waits. */
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
        return this.commits?.wait(answer, bytesOf(data), options.signal) ?? answer;
      }
      appending = answer;
    }
    if (appending === undefined && steps?.isExempt !== true && !this.#room.fits(data))
      return Promise.reject(this.#room.refuse(channel));
    return new Promise((resolve, reject) => {
      const since = this.#parts.clock.now();
      this.#enter(channel, new Waiting({ data, options, steps, since }, resolve, reject), appending);
    });
  }

  /** Appends ahead of what waits in the channel; see `LogAppender.ahead`. */
  ahead(channel: string, data: string, options: AppendOptions): Promise<Position> {
    return this.#appender.ahead(channel, data, options);
  }

  /**
   * Whether a publication needs no queue: the log appends synchronously, nothing waits in the channel, and this turn
   * has room. Takes that room.
   */
  #goesAtOnce(channel: string, data: string): boolean {
    if (!this.#appender.isAtOnce || this.commits?.isFailing || this.#isWaiting(channel)) return false;
    return !this.#bursts.holds(channel) && this.#pace.take(channel, data.length);
  }

  #isWaiting(channel: string): boolean {
    return this.#queues.size > 0 && this.#queues.has(channel);
  }

  #count(channel: string, data: string, { offset }: Position): void {
    this.#parts.appended?.(channel);
    this.#bursts.count(channel, data.length, offset);
  }

  /** Adds a publication to its queue. `appending` is its append, if that has started already. */
  #enter(channel: string, item: Waiting, appending: Promise<Position> | undefined): void {
    let queue = this.#queues.get(channel);
    const isFirst = queue === undefined;
    if (queue === undefined) {
      queue = new Queue(channel);
      this.#queues.set(channel, queue);
    }
    item.moveTo(queue.waiting);
    queue.size++;
    this.#room.enter(item);
    const { signal } = item.options;
    if (isFirst && item.steps?.isUrgent === true) queue.mayHold = false;
    if (appending !== undefined) this.#finishLater(queue, [item], appending);
    else if (isFirst) this.#advance(queue);
    if (signal === undefined || item.isUnlinked || (queue.isBusy && queue.first === item)) return;
    const owner = queue;
    item.unlink = this.#scope.link(signal, (reason) => this.#withdraw(owner, item, reason));
  }

  /** Removes a publication whose signal aborted before its append started. */
  #withdraw(queue: Queue, item: Waiting, reason: unknown): void {
    this.#remove(queue, item);
    item.reject(reason);
    this.#removeIfEmpty(queue);
  }

  #remove(queue: Queue, item: Waiting): void {
    if (item.isUnlinked) return;
    item.leave();
    item.unlink?.();
    queue.size--;
    this.#room.leave(item);
  }

  /** Appends the waiting publications of a channel while the log appends synchronously and this turn has room. */
  #advance(queue: Queue): void {
    while (queue.size > 0 && !queue.isBusy) {
      if (queue.mayHold && this.#bursts.holds(queue.channel))
        return this.#held.add(queue, this.#bursts.left(queue.channel));
      if (this.#pace.take(queue.channel, queue.first.data.length)) this.#start(queue);
      else return this.#rotate(queue);
    }
    this.#removeIfEmpty(queue);
  }

  #rotate(queue: Queue): void {
    queue.moveTo(this.#rotation);
    this.#bursts.observe(queue.channel, 0, this.#pace.recent);
  }

  /**
   * Called when a subscriber has no room for publications up to the top of its channel. Ignored for a log without
   * slack, which keeps nothing beyond its bounds for a slow subscriber.
   */
  fallsBehind(channel: string, top: number): void {
    const { slack = 0 } = this.#parts.log.keeps?.(channel) ?? {};
    if (slack > 0) this.#bursts.observe(channel, top, this.#pace.recent);
  }

  /** Whether sockets must be served before the turn that is due; see {@linkcode Pace.needsRest}. */
  get needsRest(): boolean {
    return this.#pace.needsRest(!this.#rotation.isUnlinked);
  }

  /** Runs the appends of a turn: serves the channels that wait for it round robin, one publication each. */
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
      this.#removeIfEmpty(queue);
    }
  }

  /**
   * Ends the last turn for a burst: holds its channel where subscribers could lose their position to the next
   * publications, and otherwise lets it go.
   */
  #endTurn(burst: Burst): void {
    const queue = this.#queues.get(burst.channel);
    this.#bursts.endTurn(burst, queue !== undefined);
    if (queue === undefined) return;
    if (burst.isHeld && queue.mayHold && !queue.isBusy)
      this.#held.add(queue, this.#bursts.left(queue.channel));
    else if (queue.isHeld) {
      queue.isHeld = false;
      this.#rotate(queue);
      this.#held.removed();
    }
  }

  /** If a channel has exactly one waiting publication, ends its wait for subscribers. */
  hurry(channel: string): void {
    const queue = this.#queues.get(channel);
    if (queue?.size !== 1) return;
    queue.mayHold = false;
    this.caughtUp();
  }

  /** Called when a subscriber has read: channels that wait are checked in the coming turn. */
  caughtUp(): void {
    this.#held.check();
  }

  /** Starts the append of the first publication, together with those behind it where the log can do that. */
  #start(queue: Queue): void {
    const item = queue.first;
    item.unlink?.();
    item.unlink = undefined;
    if (queue.size > 1 && this.#appender.takesSeveral) {
      const items = together(queue, ({ data }) => this.#pace.take(queue.channel, data.length));
      if (items.length > 1)
        return this.#finishLater(
          queue,
          items,
          appendTogether(this.#appender, queue.channel, items, this.#scope),
        );
    }
    const append = (): MaybePromise<Position> =>
      this.#appender.append(queue.channel, item.data, item.options, item.steps?.current);
    const appending = andThen(item.steps?.admit?.(), append);
    if (appending instanceof Promise) this.#finishLater(queue, [item], appending);
    else this.#appended(queue, item, appending);
  }

  #finishLater(queue: Queue, items: readonly Waiting[], appending: Promise<Position>): void {
    queue.isBusy = true;
    queue.leave();
    void this.#finish(queue, items, appending);
  }

  async #finish(queue: Queue, items: readonly Waiting[], appending: Promise<Position>): Promise<void> {
    const { turns } = this.#pace;
    try {
      const { epoch, offset } = await appending;
      const before = offset - items.length;
      for (const [n, item] of items.entries()) {
        if (this.#pace.turns !== turns) this.#pace.charge(queue.channel, item.data.length);
        this.#appended(queue, item, { epoch, offset: before + n + 1 });
      }
    } catch (error) {
      for (const item of items) {
        this.#remove(queue, item);
        item.reject(error);
      }
    }
    queue.isBusy = false;
    if (!this.#ended) this.#advance(queue);
  }

  #appended(queue: Queue, item: Waiting, position: Position): void {
    this.#remove(queue, item);
    if (this.commits === undefined) item.steps?.appended?.(position);
    this.#count(queue.channel, item.data, position);
    if (this.commits === undefined) item.resolve(position);
    else this.commits.add(position, item);
  }

  /** Removes a queue in which nothing waits any more. */
  #removeIfEmpty(queue: Queue): void {
    if (queue.size > 0 || this.#queues.get(queue.channel) !== queue) return;
    queue.leave();
    if (queue.isHeld) this.#held.removed();
    this.#queues.delete(queue.channel);
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#queues.size === 0 && (this.commits?.size ?? 0) === 0) this.#quiet?.();
  }

  /** Stops waiting for subscribers, as closing leaves no time for that. */
  hasten(): void {
    this.#bursts.hasten();
    this.caughtUp();
  }

  /** Settles once no append is in progress or waiting. */
  idle(): Promise<void> {
    return this.#scope.wait<void>("publications under way", undefined, ({ resolve }) => {
      this.#quiet = resolve;
      this.#checkIdle();
      return () => {
        this.#quiet = undefined;
      };
    });
  }

  /** Ends the queues: publications that are not in the log yet reject with a `ClosedError`. */
  end(): void {
    this.#ended = true;
    this.#appender.end();
    this.commits?.end();
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
