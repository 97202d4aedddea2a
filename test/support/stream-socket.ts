import { chunksOf, eventsOf } from "./event-source.ts";
import type { Transport } from "./stock-client.ts";

/** The members of a WebSocket that a peer uses. */
export type PeerSocket = Pick<WebSocket, "addEventListener" | "send" | "close" | "protocol">;

/**
 * A WebSocket's members over an HTTP stream. Its first frame opens the stream, and each later one is a request, one
 * after the other. It checks and repeats nothing: what a server does with a frame is what is tested.
 */
export class StreamSocket extends EventTarget implements PeerSocket {
  readonly protocol = "";
  readonly #transport: Transport;
  readonly #url: URL;
  readonly #controller = new AbortController();
  /** Resolves with what names the session. */
  readonly #session: Promise<{ session: string; node?: string }>;
  #begin!: (reply: { session: string; node?: string }) => void;
  #hasBegun = false;
  #sending: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  /** The path of the address ends with a slash. The paths of the transports are below it. */
  constructor(address: string, transport: Transport) {
    super();
    this.#transport = transport;
    this.#url = new URL(address.replace(/^ws/, "http"));
    this.#session = new Promise((resolve) => {
      this.#begin = resolve;
    });
    queueMicrotask(() => this.dispatchEvent(new Event("open")));
  }

  send(frame: unknown): void {
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    if (isFirst) this.#read(String(frame)).catch(() => this.#end(1006));
    else this.#sending = this.#sending.then(() => this.#post(frame)).catch(() => {});
  }

  close(code = 1000, reason = ""): void {
    queueMicrotask(() => this.#end(code, reason));
  }

  terminate(): void {
    this.#end(1006);
  }

  #pathOf(name: string): URL {
    const url = new URL(name, this.#url);
    url.search = this.#url.search;
    return url;
  }

  async #post(data: unknown): Promise<void> {
    const { session, node } = await this.#session;
    const { signal } = this.#controller;
    const body = JSON.stringify({ session, node, data });
    await (await fetch(this.#pathOf("emulation"), { method: "POST", body, signal })).text();
  }

  async #read(first: string): Promise<void> {
    const { signal } = this.#controller;
    const url = this.#pathOf(this.#transport);
    const isEvents = this.#transport === "sse";
    if (isEvents) url.searchParams.set("cf_connect", first);
    const init = isEvents ? { headers: { Accept: "text/event-stream" } } : { method: "POST", body: first };
    const { status, body } = await fetch(url, { ...init, signal });
    if (status !== 200 || body === null) throw new Error(`Answered ${status}`);
    this.#reader = body.getReader();
    const chunks = chunksOf(this.#reader);
    if (isEvents) for await (const { data } of eventsOf(chunks)) this.#receive(data);
    else for await (const data of linesOf(chunks)) this.#receive(data);
    this.#end(1006);
  }

  #receive(data: string): void {
    if (this.#isOver) return;
    const lines = data.split("\n");
    const messages = lines.map((line) => JSON.parse(line));
    for (const { connect } of messages) if (connect !== undefined) this.#begin(connect);
    // It takes the place of a close frame.
    const close = messages.at(-1).push?.disconnect;
    const frame = (close === undefined ? lines : lines.slice(0, -1)).join("\n");
    if (frame !== "") this.dispatchEvent(Object.assign(new Event("message"), { data: frame }));
    if (close !== undefined) this.#end(close.code, close.reason);
  }

  #end(code: number, reason = ""): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // On Deno some streams outlive the abort of their request.
    this.#reader?.cancel().catch(() => {});
    this.#controller.abort();
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

/** Reads the complete lines of a body, together what comes together. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const text = rest + decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf("\n");
    rest = text.slice(end + 1);
    if (end >= 0) yield text.slice(0, end);
  }
}
