/** The part of a runtime's WebSocket that is used here. */
interface Raw {
  readonly readyState: number;
  // biome-ignore lint/suspicious/noExplicitAny: the runtimes accept different types of bytes
  send(data: any): unknown;
  close(code?: number, reason?: string): void;
  terminate?(): void;
}

/**
 * A context like Hono's `WSContext`, but smaller: there is one for every connection, and Hono's class parses the
 * request's URL for each. It is also the socket of the session.
 */
export class Connection<R extends Raw> {
  raw: R;
  readonly protocol: string | null;
  binaryType = "arraybuffer";
  readonly #url: string;

  constructor(raw: R, url: string, protocol: string | null) {
    this.raw = raw;
    this.#url = url;
    this.protocol = protocol;
  }

  get readyState(): number {
    return this.raw.readyState;
  }

  get url(): URL {
    return new URL(this.#url);
  }

  send(data: string | ArrayBuffer | Uint8Array, _options?: { compress?: boolean }): void {
    this.raw.send(data);
  }

  close(code?: number, reason?: string): void {
    this.raw.close(code, reason);
  }

  /** Cuts the connection at once. Has no effect on Deno. */
  terminate(): void {
    this.raw.terminate?.();
  }
}

/** Creates frames from messages. Consecutive calls with the same text, or the same bytes, share one frame. */
export class Frames<Frame, Message extends string | Uint8Array = string | Uint8Array> {
  readonly #make: (message: Message) => Frame;
  #last: { message: Message; frame: Frame } | undefined;

  constructor(make: (message: Message) => Frame) {
    this.#make = make;
  }

  of(message: Message): Frame {
    if (this.#last?.message !== message) this.#last = { message, frame: this.#make(message) };
    return this.#last.frame;
  }
}
