import type { Context, Handler } from "hono";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import { jsonCodec } from "../../wire/json-codec.ts";
import { closes } from "../../wire/protocol.ts";
import { Admission, type AdmissionOptions } from "../admission.ts";
import { openPosting } from "../posting.ts";
import { readBody } from "./body.ts";
import { destroyerOf } from "./byte-stream.ts";
import { crossOrigin } from "./cross-origin.ts";
import { eventFrames, lineFrames, type StreamType, streamResponse } from "./stream-response.ts";
import { type StreamFormat, StreamSocket } from "./stream-socket.ts";

/** The path, beside that of a stream, to which its client posts. */
const postPath = "emulation";

/**
 * Returns a handler for the `http_stream` of `centrifuge` clients: a POST whose body is the `connect` command, answered
 * by a response that carries a message in each line until the session ends. Its client sends everything else to
 * {@linkcode emulation}, which MUST be served under the same path, with `emulation` as its last part.
 *
 * Refuses with 503 and `Retry-After` (closing, or full), 403 (Origin), 401 (not authenticated), 413 or 408 (the body is
 * too large, or does not come), 400 (it is empty, or not UTF-8) or 405. The notifier's `onRefused` is called for each
 * refusal. Throws a TypeError for options that cannot work.
 *
 * @example
 * ```ts
 * app.all("/notifications/http_stream", httpStream(notifier, options));
 * app.all("/notifications/emulation", emulation(notifier, options));
 * ```
 */
export function httpStream(notifier: Notifier, options: AdmissionOptions = {}): Handler {
  const admission = new Admission(notifier, options, { what: "httpStream" });
  const open = opening(notifier, admission, "application/x-ndjson", lineFrames());
  const read = (c: Context): Promise<string> => readBody(c, admission, notifier.maxMessage);
  return crossOrigin(admission, { methods: ["POST"], handle: (c) => open(c, read) });
}

/**
 * Returns a handler for the `sse` of `centrifuge` clients: a GET whose parameter `cf_connect` is the `connect` command,
 * answered by events for an `EventSource`. Otherwise it is like {@linkcode httpStream}. Servers bound the length of a URL:
 * a client that restores many server-side subscriptions needs another transport.
 */
export function sse(notifier: Notifier, options: AdmissionOptions = {}): Handler {
  const admission = new Admission(notifier, options, { what: "sse" });
  const open = opening(notifier, admission, "text/event-stream", eventFrames());
  const read = (c: Context): string => c.req.query("cf_connect") ?? "";
  return crossOrigin(admission, { methods: ["GET"], handle: (c) => open(c, read) });
}

/** Returns a function that opens the stream of a client, which first sends what `read` returns. */
function opening(
  notifier: Notifier,
  admission: Admission,
  type: StreamType,
  frames: { of(text: string): Uint8Array },
): (c: Context, read: (c: Context) => string | Promise<string>) => Promise<Response> {
  const format: StreamFormat = {
    frame: (text) => frames.of(text),
    close: (code, reason) => frames.of(jsonCodec.disconnect(closeOf(code, reason))),
  };
  return async (c, read) => {
    const { peer, release } = await admission.admit(c);
    try {
      const first = await read(c);
      if (first.trim() === "") {
        const text = `Cannot connect: send the connect command in ${type === "text/event-stream" ? "the parameter cf_connect" : "the body"}`;
        throw admission.refuse(c, 400, "there is no connect command", { text });
      }
      const over = openPosting(c, postPath);
      const secret = crypto.randomUUID().toLowerCase();
      const socket = new StreamSocket({ ...format, secret, over, destroy: destroyerOf(c) });
      release();
      socket.attach(notifier.accept(socket, peer));
      await notifier.post(socket.secret, first);
      return streamResponse(c, type, socket.body);
    } finally {
      release();
    }
  };
}

/**
 * Returns the code and reason to push. A client knows of 1009 only as the code of a WebSocket; here it would come back,
 * and send the same again.
 */
function closeOf(code: number, reason: string): { code: number; reason: string } {
  return code === closes.messageTooBig.code ? { code: closes.badRequest.code, reason } : { code, reason };
}
