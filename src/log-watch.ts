import type { Hub } from "./hub.ts";

/** A channel's watch of the log, from when it is first wanted until it is ended. */
export class Watch {
  readonly #hub: Hub;
  readonly #channel: string;
  readonly #wake: () => void;
  #opening: Promise<void> | undefined;
  #watching: AsyncDisposable | undefined;
  #ended = false;

  constructor(hub: Hub, channel: string, wake: () => void) {
    this.#hub = hub;
    this.#channel = channel;
    this.#wake = wake;
  }

  /** Settles once the log is watched; one that failed is tried again when it is next wanted. */
  opened(): Promise<void> {
    if (this.openedNow()) return Promise.resolve();
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** The same without waiting. Answers whether it is done: not every log can. */
  openedNow(): boolean {
    if (this.#opening === undefined) this.#watching ??= this.#hub.log.watchNow(this.#channel, this.#wake);
    return this.#watching !== undefined;
  }

  async #open(): Promise<void> {
    const { scope } = this.#hub;
    const opening = this.#hub.log.watch(this.#channel, this.#wake);
    try {
      this.#watching = await scope.follow(`watch ${this.#channel}`, undefined, opening);
    } finally {
      this.#opening = undefined;
    }
    if (this.#ended) this.#dispose();
  }

  end(): void {
    this.#ended = true;
    this.#dispose();
  }

  #dispose(): void {
    const watching = this.#watching;
    this.#watching = undefined;
    if (watching === undefined) return;
    const dispose = async (): Promise<void> => watching[Symbol.asyncDispose]();
    this.#hub.scope.own("task", `unwatch ${this.#channel}`, dispose());
  }
}
