import type { Client, Manners, Tcp } from "./tcp.ts";

/** How a peer without a WebSocket reaches a server: where its stream is, and where it posts. */
export interface StreamPaths {
  readonly stream: string;
  readonly post: string;
}

const connect = '{"id":1,"connect":{}}';

/** Returns the request that opens a stream: an `http_stream`, or an `sse` if its path says so. */
export function openStream({ stream }: Pick<StreamPaths, "stream">, first: string = connect): string {
  if (!stream.includes("/sse")) return post(stream, first);
  const path = `${stream}&cf_connect=${encodeURIComponent(first)}`;
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`;
}

/** Returns a request that posts JSON. */
export function post(path: string, body: string, headers: readonly string[] = []): string {
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/json",
    length,
    ...headers,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/**
 * A client that follows the protocol over a stream: it answers pings by posts of their own connections, keeps what it
 * receives, and leaves when the stream has ended. `dial` opens a connection and sends a text.
 */
export function streamClient(
  peer: Tcp,
  { post: path }: StreamPaths,
  dial: (first: string) => Tcp,
  { pongs = true, leaves = false }: Manners = {},
): Client {
  const messages: string[] = [];
  let code: number | undefined;
  let session: string | undefined;
  let node: string | undefined;
  let [raw, rest] = ["", ""];
  const take = (line: string): void => {
    if (line === "") return;
    if (line.trim() === "{}") {
      const data = JSON.stringify({ session, node, data: "{}" });
      if (pongs) dial(post(path, data, ["Connection: close"]));
      return;
    }
    messages.push(line);
    const { connect, push } = JSON.parse(line);
    if (connect !== undefined) ({ session, node } = connect);
    if (push?.disconnect !== undefined) code = push.disconnect.code;
  };
  const read = (text: string): void => {
    raw += text;
    for (let found = chunkIn(raw); found !== undefined; found = chunkIn(raw)) {
      raw = raw.slice(found.end);
      rest += found.content;
      const lines = rest.split("\n");
      rest = lines.pop() as string;
      for (const line of lines) take(line.replace(/^data: /, ""));
      if (found.content === "" && leaves) peer.socket.end();
    }
  };
  const connected = peer.until(/\r\n\r\n/).then((received) => {
    peer.socket.on("data", (data) => read(data.toString("latin1")));
    read(received.slice(received.indexOf("\r\n\r\n") + 4));
    return peer.until(/"connect":/);
  });
  if (leaves) peer.socket.once("end", () => peer.socket.end());
  return { messages, connected, code: peer.ended.then(() => code) };
}

/** Reads the chunk of a chunked body at the start of a text. Returns undefined if it is incomplete. */
function chunkIn(text: string): { content: string; end: number } | undefined {
  const [head, size = ""] = /^([0-9a-f]+)[^\r]*\r\n/i.exec(text) ?? [];
  if (head === undefined) return undefined;
  const start = head.length;
  const length = Number.parseInt(size, 16);
  if (text.length < start + length + 2) return undefined;
  return { content: text.slice(start, start + length), end: start + length + 2 };
}
