/** The part of a runtime's WebSocket that is used here. */
interface Raw {
  readonly readyState: number;
  // biome-ignore lint/suspicious/noExplicitAny: the runtimes do not agree which bytes they take
  send(data: any): unknown;
  close(code?: number, reason?: string): void;
  terminate?(): void;
}

/**
 * A context as Hono's own class makes it, but for its weight: there is one for every connection, and that class parses the
 * request's address for each. It is a session's socket as well.
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

  /** Cuts the connection at once; Deno cannot. */
  terminate(): void {
    this.raw.terminate?.();
  }
}

/** Makes frames of texts, each once for all who are sent the same one after the other. */
export class Frames<Frame> {
  readonly #make: (text: string) => Frame;
  #last: { text: string; frame: Frame } | undefined;

  constructor(make: (text: string) => Frame) {
    this.#make = make;
  }

  of(text: string): Frame {
    if (this.#last?.text !== text) this.#last = { text, frame: this.#make(text) };
    return this.#last.frame;
  }
}
