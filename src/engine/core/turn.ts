import type { Clock } from "../../base/clock.ts";

/** A channel as the turn sees it. */
export interface TurnChannel {
  /** Whether it is among those looked after in the coming turn; the turn's to say. */
  isWoken: boolean;
  /** Looks after the channel once in a turn. The promise, if there is work, never rejects. */
  tend(): Promise<void> | undefined;
}

/** A session as the turn sees it. */
export interface TurnSession {
  /** Whether it is among those that send in the coming turn; the turn's to say. */
  isGathered: boolean;
  /** Sends what was gathered. */
  flush(): void;
}

/** What the turn is made of. */
export interface TurnParts {
  readonly clock: Clock;
  /** What waits to be published, which is published first; and whether sockets have to come before that. */
  readonly appends: { readonly needsRest: boolean; turn(): void };
  /** Hears that all who had something to send have sent it. */
  flushed(): void;
}

/**
 * The turn of the event loop: publishes what waited for it, looks after channels with news, and lets sessions send.
 *
 * All that is to be sent in one turn is gathered, and leaves as one frame a session.
 */
export class Turn {
  readonly #parts: TurnParts;
  readonly #channels: TurnChannel[] = [];
  readonly #sessions: TurnSession[] = [];
  /** One for all turns: an arrow in `schedule` would have V8 allocate at every call. */
  readonly #due = (): void => {
    const { clock, appends } = this.#parts;
    if (clock.rest !== undefined && appends.needsRest) clock.rest(this.#rested);
    else this.#run();
  };
  readonly #rested = (): void => this.#run();
  #isScheduled = false;
  #isOver = false;
  /** Channels whose reads are under way. */
  #loading = 0;

  constructor(parts: TurnParts) {
    this.#parts = parts;
  }

  /** Has the channel looked after in the coming turn: it has news, or nobody left. */
  wakeChannel(channel: TurnChannel): void {
    if (channel.isWoken) return;
    channel.isWoken = true;
    this.#channels.push(channel);
    this.schedule();
  }

  /** Has the session send, in the coming turn, what was put into it. */
  wakeSession(session: TurnSession): void {
    if (session.isGathered) return;
    session.isGathered = true;
    this.#sessions.push(session);
    this.schedule();
  }

  /** Has a turn come, even where there is nothing to send: sessions that close look again whether they may. */
  schedule(): void {
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    this.#parts.clock.turn(this.#due);
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#isOver) return;
    // What waited for this turn is published in it, and leaves with it.
    this.#parts.appends.turn();
    // Loads left over from an earlier turn mean a slow log: it holds nobody up who has something to send.
    if (this.#loading > 0) this.#flush();
    // One that is woken while others are looked after has its turn in this one.
    for (const channel of this.#channels) {
      channel.isWoken = false;
      const loaded = channel.tend();
      if (loaded === undefined) continue;
      this.#loading++;
      loaded.then(() => {
        // The last to arrive sends for all; with a log in memory that is still this turn.
        if (--this.#loading === 0) this.#flush();
      });
    }
    this.#channels.length = 0;
    if (this.#loading === 0) this.#flush();
    else if (this.#sessions.length > 0) this.schedule();
  }

  #flush(): void {
    // What is woken by a flush is flushed in this one.
    for (const session of this.#sessions) {
      session.isGathered = false;
      session.flush();
    }
    this.#sessions.length = 0;
    this.#parts.flushed();
  }

  /** From now on nothing has a turn. */
  end(): void {
    this.#isOver = true;
    this.#channels.length = 0;
    this.#sessions.length = 0;
  }
}
