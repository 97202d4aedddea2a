import type { Clock } from "../../base/clock.ts";

/** A channel, as the turn uses it. */
export interface TurnChannel {
  /** Whether the channel is listed for the coming turn. Set only by the turn. */
  isWoken: boolean;
  /** Does the work of the channel once in a turn. The returned promise, if there is work, never rejects. */
  tend(): Promise<void> | undefined;
}

/** A session, as the turn uses it. */
export interface TurnSession {
  /** Whether the session is listed for the coming turn. Set only by the turn. */
  isGathered: boolean;
  /** Sends what was queued. */
  flush(): void;
}

/** What a turn is created from. */
export interface TurnParts {
  readonly clock: Clock;
  /** The publications that wait for the turn, and whether sockets must be served before them. */
  readonly appends: {
    readonly needsRest: boolean;
    turn(): void;
    readonly commits: { run(): void } | undefined;
  };
  /** Called after all sessions have sent what they had. */
  flushed(): void;
}

/**
 * Runs the turn of the event loop: publishes what waited for it, serves channels with news, and lets sessions send.
 *
 * Everything that a session is sent in one turn leaves as one frame.
 */
export class Turn {
  readonly #parts: TurnParts;
  readonly #channels: TurnChannel[] = [];
  readonly #sessions: TurnSession[] = [];
  /** One function for all turns: an arrow function in `schedule` would make V8 allocate at every call. */
  readonly #due = (): void => {
    const { clock, appends } = this.#parts;
    if (clock.rest !== undefined && appends.needsRest) clock.rest(this.#rested);
    else this.#run();
  };
  readonly #rested = (): void => this.#run();
  #isScheduled = false;
  #isOver = false;
  /** Number of channels with a read in progress. */
  #loading = 0;

  constructor(parts: TurnParts) {
    this.#parts = parts;
  }

  /** Whether no turn is due, and no read that a turn has begun is in progress. */
  get isIdle(): boolean {
    return !this.#isScheduled && this.#loading === 0 && this.#channels.length + this.#sessions.length === 0;
  }

  /** Lists the channel for the coming turn: it has news, or its last user has left. */
  wakeChannel(channel: TurnChannel): void {
    if (channel.isWoken) return;
    channel.isWoken = true;
    this.#channels.push(channel);
    this.schedule();
  }

  /** Lists the session for the coming turn, in which it sends what was queued. */
  wakeSession(session: TurnSession): void {
    if (session.isGathered) return;
    session.isGathered = true;
    this.#sessions.push(session);
    this.schedule();
  }

  /** Schedules a turn, even where nothing is to be sent: sessions that close check again whether they may. */
  schedule(): void {
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    this.#parts.clock.turn(this.#due);
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#isOver) return;
    // Publish what waited first, so that it also leaves in this turn.
    this.#parts.appends.turn();
    // Nothing that is not committed may be read, so what waited for the commit leaves in this turn as well.
    this.#parts.appends.commits?.run();
    // Reads that are left over from an earlier turn mean a slow log. Sessions with something to send do not wait for
    // it.
    if (this.#loading > 0) this.#flush();
    // A channel that is woken during this loop is appended to the list and served in this turn.
    for (const channel of this.#channels) {
      channel.isWoken = false;
      const loaded = channel.tend();
      if (loaded === undefined) continue;
      this.#loading++;
      loaded.then(() => {
        // The last read to finish flushes for all. With a log in memory that is still this turn.
        if (--this.#loading === 0) this.#flush();
      });
    }
    this.#channels.length = 0;
    if (this.#loading === 0) this.#flush();
    else if (this.#sessions.length > 0) this.schedule();
  }

  #flush(): void {
    // A session that is woken during this loop is flushed in it.
    for (const session of this.#sessions) {
      session.isGathered = false;
      session.flush();
    }
    this.#sessions.length = 0;
    this.#parts.flushed();
  }

  /** Ends all turns. */
  end(): void {
    this.#isOver = true;
    this.#channels.length = 0;
    this.#sessions.length = 0;
  }
}
