import type { Context } from "hono";
import { Frames } from "../connection.ts";

/** The types of streams. */
export type StreamType = "application/x-ndjson" | "text/event-stream";

/**
 * Headers of a response that is sent bit by bit: nothing may store it, compress it (which would hold back what is small)
 * or buffer it. The last one is for nginx.
 */
export const streamHeaders: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
};

/** Returns the response that a stream is. */
export function streamResponse(c: Context, type: StreamType, body: ReadableStream<Uint8Array>): Response {
  return c.body(body, 200, { "Content-Type": `${type}; charset=utf-8`, ...streamHeaders });
}

const encoder = new TextEncoder();

/** Returns encoded lines. Sessions that are sent the same text share its bytes. */
export function lineFrames(): Frames<Uint8Array, string> {
  return new Frames((text) => encoder.encode(`${text}\n`));
}

/** Returns encoded events of an `EventSource`, whose data is the text. Sessions that are sent the same text share its bytes. */
export function eventFrames(): Frames<Uint8Array, string> {
  return new Frames((text) => encoder.encode(eventOf(text)));
}

/** Returns an event of an `EventSource`. */
export function eventOf(data: string, { id, event }: { id?: string; event?: string } = {}): string {
  const head = `${id === undefined ? "" : `id: ${id}\n`}${event === undefined ? "" : `event: ${event}\n`}`;
  return `${head}data: ${data.replaceAll("\n", "\ndata: ")}\n\n`;
}
