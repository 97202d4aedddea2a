import type { Context } from "../core/context.ts";

/** A session whose client sends its messages by requests of their own. */
export interface PostedSession {
  readonly id: string;
  readonly secret: string | undefined;
  receive(data: string): void;
}

/** A message with commands, which waits for those before it. */
interface Held {
  readonly first: number;
  readonly last: number;
  readonly data: string;
}

/** Milliseconds that a message waits for those before it. A client gives each command 5 s. */
const patience = 1_000;
/** How many messages may wait. One more, and the first of them waits no longer. */
const most = 100;
/** A command whose id is further ahead than this is of a client that does not count. */
const furthest = 10_000;

/**
 * Puts the messages of one client in order, which come by requests of their own and may overtake each other.
 *
 * Clients number their commands. A message is handled once all lower numbers have come, or after a second without them:
 * not every number is used. Messages without numbers, such as pongs, are handled at once. A message that has come
 * already is dropped, because browsers send a request again whose connection broke.
 */
export class PostOrder {
  readonly #session: PostedSession;
  readonly #context: Pick<Context, "codec" | "scope" | "settings">;
  /** The next number. Undefined until the first message. */
  #next: number | undefined;
  /** In the order of their numbers. */
  #held: Held[] = [];
  #chars = 0;
  /** The numbers that were passed over lately. They may still come. */
  #passed: { first: number; last: number }[] = [];
  #cancel: (() => void) | undefined;

  constructor(session: PostedSession, context: Pick<Context, "codec" | "scope" | "settings">) {
    this.#session = session;
    this.#context = context;
  }

  take(data: string): void {
    const { codec, settings } = this.#context;
    const decoded = codec.decode(data, settings.limits.depth, settings.limits.message);
    const ids = decoded === undefined || decoded === "tooLarge" ? [] : decoded;
    const most = (this.#next ?? Infinity) + furthest;
    let [first, last] = [Infinity, 0];
    for (const { id } of ids) {
      // A ping of our own client always has the highest number there is.
      if (id === 0 || id > most) continue;
      first = Math.min(first, id);
      last = Math.max(last, id);
    }
    const next = this.#next ?? first;
    // The session itself says what is wrong with a message that cannot be read.
    if (last === 0) return this.#session.receive(data);
    if (first > next) return this.#hold({ first, last, data });
    if (first < next && !this.#isPassed(first)) return;
    this.#handle({ first, last, data });
    this.#release();
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#held = [];
  }

  #isPassed(id: number): boolean {
    return this.#passed.some(({ first, last }) => first <= id && id <= last);
  }

  #hold(held: Held): void {
    const at = this.#held.findIndex(({ first }) => first >= held.first);
    if (at !== -1 && this.#held[at]?.first === held.first) return;
    this.#held.splice(at === -1 ? this.#held.length : at, 0, held);
    this.#chars += held.data.length;
    if (this.#held.length > most || this.#chars > this.#context.settings.limits.commandChars)
      this.#passOver();
    else this.#wait();
  }

  #wait(): void {
    if (this.#held.length === 0) return;
    this.#cancel ??= this.#context.scope.timer(`posts of session ${this.#session.id}`, patience, () => {
      this.#cancel = undefined;
      this.#passOver();
    });
  }

  /** Goes on without the numbers that are missing before the first message that waits. */
  #passOver(): void {
    const [held] = this.#held;
    if (held === undefined) return;
    this.#passed.push({ first: this.#next ?? held.first, last: held.first - 1 });
    if (this.#passed.length > most) this.#passed.shift();
    this.#next = held.first;
    this.#release();
  }

  #handle({ first, last, data }: Held): void {
    this.#passed = this.#passed.flatMap((range) =>
      range.first <= first && first <= range.last
        ? [
            { first: range.first, last: first - 1 },
            { first: last + 1, last: range.last },
          ].filter((rest) => rest.first <= rest.last)
        : [range],
    );
    this.#next = Math.max(this.#next ?? 0, last + 1);
    this.#session.receive(data);
  }

  /** Handles the messages that wait for nothing any more. */
  #release(): void {
    for (
      let held = this.#held[0];
      held !== undefined && held.first <= (this.#next ?? 0);
      held = this.#held[0]
    ) {
      this.#held.shift();
      this.#chars -= held.data.length;
      this.#handle(held);
    }
    this.#cancel?.();
    this.#cancel = undefined;
    this.#wait();
  }
}
