import { systemTiming, type Timer } from "../base/clock.ts";
import { frame } from "./input.ts";
import type { ConnectResult, Message } from "./messages.ts";
import type { ClientSocket, SocketClass } from "./socket.ts";

/** Milliseconds in which a stream may say why, after a message was refused or failed. */
const patience = 1_000;

/**
 * A socket over requests. The first one carries the connect command, and its response is the stream of the server's
 * messages. Later messages go in requests of their own, one request at a time, because requests may overtake each other.
 */
class HttpSocket implements ClientSocket {
  onopen: ClientSocket["onopen"] = null;
  onmessage: ClientSocket["onmessage"] = null;
  onclose: ClientSocket["onclose"] = null;
  onerror: ClientSocket["onerror"] = null;
  readonly #url: string;
  /** Aborts when the socket closes, and ends its requests. */
  readonly #over = new AbortController();
  readonly #unsent: string[] = [];
  #isClosing = false;
  /** Whether anything is being sent. The connect command is, until its reply arrives. */
  #isSending = false;
  #hasBegun = false;
  /** The connect reply. It names the session for later requests. */
  #connected: ConnectResult | undefined;
  #reader: { cancel(): Promise<void> } | undefined;
  /** Why the last request failed. */
  #failure = "";
  /** Set when a message was refused or failed. */
  #failing: Timer | undefined;

  /** Opens at once. There is nothing to wait for: the first request needs the connect command. */
  constructor(url: string) {
    this.#url = url.replace(/^ws/, "http");
    queueMicrotask(() => this.#over.signal.aborted || this.onopen?.({} as never));
  }

  send(data: string): void {
    this.#unsent.push(data);
    this.#flush();
  }

  close(): void {
    this.#isClosing = true;
    if (this.#connected) this.#flush();
    else this.#end(1000);
  }

  terminate(): void {
    this.#end(1006);
  }

  async #flush(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    // Messages of the same turn go in one request.
    await undefined;
    const isFirst = !this.#hasBegun;
    try {
      if (isFirst) return await this.#read();
      while (this.#unsent.length) await this.#post();
      this.#isSending = false;
      if (this.#isClosing) this.#end(1000);
    } catch (error) {
      const end = (): void => this.#end(1006, this.#failure, error);
      if (isFirst) end();
      // The session may be over, and the reason on its way.
      else if (!this.#over.signal.aborted) this.#failing = systemTiming.timer(patience, end);
    }
  }

  /** Opens the stream, and reads it to its end. */
  async #read(): Promise<void> {
    this.#hasBegun = true;
    const { body } = await this.#request("handshake", "http_stream", this.#next());
    const reader = (body as NonNullable<typeof body>).getReader();
    this.#reader = reader;
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return this.#end(1006);
      const text = decoder.decode(value, { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      if (end) this.#receive(rest + text.slice(0, end).trimEnd());
      rest = end ? text.slice(end) : rest + text;
    }
  }

  /** Handles complete lines. */
  #receive(lines: string): void {
    if (!this.#connected) this.#admit(lines);
    this.onmessage?.({ data: lines } as never);
    const last = lines.slice(lines.lastIndexOf("\n") + 1);
    // A stream has no close frame. Its last message says why it ends.
    const { push }: Message = last.includes('"disconnect":') ? JSON.parse(last) : {};
    if (!push?.disconnect) return;
    const { code, reason } = push.disconnect;
    // The server has another code for that, because other clients know 1009 only from WebSockets.
    this.#end(reason === "message too big" ? 1009 : code, reason);
  }

  #admit(lines: string): void {
    for (const line of lines.split("\n")) this.#connected ??= (JSON.parse(line) as Message).connect;
    if (!this.#connected) return;
    this.#isSending = false;
    this.#flush();
  }

  async #post(): Promise<void> {
    const { session, node } = this.#connected as ConnectResult;
    const body = JSON.stringify({ session, node, data: this.#next() });
    // A connection is used again once its response has been read.
    await (await this.#request("message", "emulation", body)).text();
  }

  /** Takes messages that wait, together up to the length that every server accepts. */
  #next(): string {
    const unsent = this.#unsent;
    let text = unsent.shift() as string;
    while (unsent[0] && text.length + unsent[0].length < frame) text += `\n${unsent.shift()}`;
    return text;
  }

  /** Sends a request. Rejects when it fails or is refused. */
  async #request(what: string, path: string, body: string): Promise<Response> {
    this.#failure = `${what} failed${hintFor(this.#url)}`;
    const response = await fetch(this.#url.replace(/\/?(?=\?|$)/, `/${path}`), {
      method: "POST",
      // As with a WebSocket.
      credentials: "include",
      headers: { "Content-Type": "application/json" },
      body,
      signal: this.#over.signal,
    });
    const { ok, status, headers } = response;
    this.#failure = ok ? "" : `${what} refused: ${status}`;
    if (ok) return response;
    const delay = Number(headers.get("retry-after"));
    if (delay) this.#failure += `, retry after ${delay} s`;
    // The client reads the status from the end of the message.
    throw new Error(`Cannot send to the server: ${status}`);
  }

  #end(code: number, reason = "", error?: unknown): void {
    if (this.#over.signal.aborted) return;
    this.#failing?.cancel();
    // On Deno some streams outlive the abort of their request, and then keep the process from its end.
    this.#reader?.cancel().catch(() => {});
    this.#over.abort();
    // As with a WebSocket, nothing is called before `close` has returned.
    queueMicrotask(() => {
      if (error) this.onerror?.({ error } as never);
      this.onclose?.({ code, reason } as never);
    });
  }
}

/** Returns why a request of a page to another origin may fail. Browsers hide it from the page. */
function hintFor(url: string): string {
  const { origin } = (globalThis as { location?: { origin?: string } }).location ?? {};
  return !origin || new URL(url).origin === origin
    ? ""
    : `: the server cannot be reached, or its origins do not list ${origin}`;
}

/**
 * A socket class over `fetch`, for `connect`: the client's way where WebSockets do not pass. Its server has the paths
 * `http_stream` and `emulation` below the one that clients connect to.
 */
export const httpSocket: SocketClass = HttpSocket;
