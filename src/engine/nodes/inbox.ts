import { closed } from "../../model/errors.ts";
import type { Entry, Position } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import { backOff, jittered, longer } from "../log/back-off.ts";
import { lastingError } from "../log/log-failure.ts";

/** What an inbox does with what it reads. */
export interface InboxParts {
  readonly context: Pick<Context, "clock" | "log" | "scope" | "report">;
  readonly channel: string;
  /** Where it begins. Default: where the channel is when it is opened. */
  readonly after?: Position | undefined;
  take(entry: Entry): void;
  /** Called when entries were lost before they could be read. It goes on with the next one. */
  missed(): void;
}

/** Maximum number of messages in one read. */
const batch = 256;

/** Reads a channel of messages for as long as its scope lives. While the log fails it waits, and tries again. */
export class Inbox {
  readonly #parts: InboxParts;
  /** What was read last. Undefined before it is opened. */
  position: Position | undefined;
  readonly #over = new AbortController();
  #isWoken = false;
  #wake = (): void => {};

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** Begins to read. Resolves once everything that is appended from now on will be read. */
  async open(): Promise<void> {
    const { context } = this.#parts;
    const watch = await this.#watch();
    try {
      this.position = this.#parts.after ?? (await this.#top());
    } catch (error) {
      await watch[Symbol.asyncDispose]();
      throw error;
    }
    context.scope.own("task", this.#owner, this.#run(watch));
  }

  /** Stops reading. */
  end(): void {
    this.#over.abort(closed("read messages"));
  }

  async #top(): Promise<Position> {
    const { context, channel } = this.#parts;
    const { epoch, top } = await context.log.read(channel, { limit: 0 });
    return { epoch, offset: top };
  }

  get #owner(): string {
    return `messages of ${this.#parts.channel.slice(1)}`;
  }

  #watch(): Promise<AsyncDisposable> {
    const { context, channel } = this.#parts;
    return Promise.resolve(
      context.log.watch(channel, () => {
        this.#isWoken = true;
        this.#wake();
      }),
    );
  }

  async #run(watch: AsyncDisposable): Promise<void> {
    const { context } = this.#parts;
    let watching: AsyncDisposable | undefined = watch;
    let wait = backOff.first;
    try {
      for (;;) {
        try {
          watching ??= await this.#watch();
          await this.#readAll();
          wait = backOff.first;
          await this.#woken();
        } catch (error) {
          const lasting = lastingError(error, `read ${this.#owner}`);
          if (this.#over.signal.aborted || context.scope.isOver || lasting !== undefined) return;
          if (wait === backOff.first) context.report(error, "log", this.#owner);
          await context.scope.sleep(this.#owner, jittered(wait, context.clock), this.#over.signal);
          wait = longer(wait);
        }
      }
    } catch {
      // It was stopped, or the scope has ended.
    } finally {
      await watching?.[Symbol.asyncDispose]();
    }
  }

  /** Reads what there is. */
  async #readAll(): Promise<void> {
    const { context, channel, take, missed } = this.#parts;
    do {
      this.#isWoken = false;
      const { signal } = this.#over;
      const slice = await context.log.read(channel, { after: this.position, limit: batch, signal });
      if (!slice.gapless) {
        this.position = { epoch: slice.epoch, offset: slice.first - 1 };
        missed();
        this.#isWoken = true;
        continue;
      }
      for (const entry of slice.entries) {
        this.position = { epoch: slice.epoch, offset: entry.offset };
        take(entry);
      }
      if (slice.entries.length === batch) this.#isWoken = true;
    } while (this.#isWoken);
  }

  async #woken(): Promise<void> {
    if (this.#isWoken) return;
    await this.#parts.context.scope.wait<void>(this.#owner, this.#over.signal, ({ resolve }) => {
      this.#wake = resolve;
      return () => {
        this.#wake = () => {};
      };
    });
  }
}
