import type { Hono } from "hono";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Session } from "../../src/model/socket.ts";

/** What has come to the streams of an app. */
export interface Streams {
  /** The streams that are open. */
  readonly open: number;
  /** The messages that came by requests of their own. */
  readonly posts: string[];
  /** What a request is answered with that is not taken, while it is set. */
  refusal: Response | undefined;
}

/** Adds the two paths of a stream to an app, for peers whose user and channels are in the address. */
export function addStreams(app: Hono, notifier: Notifier): Streams {
  const sessions = new Map<string, Session>();
  const streams = {
    posts: [] as string[],
    refusal: undefined as Response | undefined,
    get open() {
      return sessions.size;
    },
  };
  app.post("/http_stream", async (c) => {
    if (streams.refusal !== undefined) return streams.refusal.clone();
    const body = await c.req.text();
    const { user = "", channels } = c.req.query();
    const id = crypto.randomUUID();
    const end = (code?: number): void => {
      sessions.get(id)?.ended(code);
      sessions.delete(id);
    };
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        const send = (text: string): void => controller.enqueue(encoder.encode(`${text}\n`));
        const session = notifier.accept(
          {
            send: (data) =>
              send(String(data).replace('"connect":{', `"connect":{"session":"${id}","node":"n",`)),
            close(code, reason) {
              send(JSON.stringify({ push: { disconnect: { code, reason } } }));
              controller.close();
              queueMicrotask(() => end(code));
            },
          },
          { user, channels: channels?.split(",") ?? [], authorize: () => true },
        );
        sessions.set(id, session);
        session.receive(body);
      },
      cancel: () => end(),
    });
    return c.body(stream, 200, { "Content-Type": "application/json" });
  });
  app.post("/emulation", async (c) => {
    if (streams.refusal !== undefined) return streams.refusal.clone();
    const { session, node, data } = await c.req.json<{ session: string; node: string; data: string }>();
    const found = node === "n" ? sessions.get(session) : undefined;
    if (found === undefined) return c.body(null, 404);
    streams.posts.push(data);
    found.receive(data);
    return c.body(null, 204);
  });
  return streams;
}
