import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { createNotifier, memoryLog, type Notifier } from "tocsin";
import { notifications, transports } from "tocsin/hono";
import { entry } from "../support/runtime.ts";
import { messageOf, peerOptions } from "./app.ts";
import { controlApp } from "./control.ts";
import { journal } from "./journal.ts";
import { placeOf, profiles } from "./profiles.ts";

/** A server of this runtime with a notifier for each path `/<profile>/<name>`. */
export interface PeerServer {
  readonly url: string;
  /** Closes everything. Rejects if the server itself has reported an error. */
  close(): Promise<void>;
}

export async function peerServer(): Promise<PeerServer> {
  const places = new Map<string, Place>();
  const errors: string[] = [];
  const placeAt = (c: Context): Place => {
    const found = placeOf(c.req.path);
    if (found === undefined) throw new HTTPException(404);
    const key = `${found.profile}/${found.name}`;
    const place = places.get(key) ?? createPlace(found.profile);
    places.set(key, place);
    return place;
  };
  const app = new Hono();
  app.all("/:profile/:name/control/*", (c) => placeAt(c).control.fetch(c.req.raw));
  app.get(
    "/:profile/:name/",
    entry.upgradeWebSocket((c) => placeAt(c).connect(c)),
  );
  app.all("/:profile/:name/:transport", (c) => placeAt(c).streams.fetch(c.req.raw, c.env));
  // Where the server itself reports to. Nobody connects to it.
  const own = createNotifier({ onError: (error) => void errors.push(messageOf(error)), onRefused() {} });
  const server = await entry.serve(app, { notifier: own, port: 0, grace: 1_000 });
  return {
    url: server.url,
    async close() {
      await Promise.all(Array.from(places.values(), ({ notifier }) => notifier.close()));
      await server.close();
      if (errors.length > 0) throw new Error(`The server reported: ${errors.join("; ")}`);
    },
  };
}

interface Place {
  readonly notifier: Notifier;
  readonly connect: ReturnType<typeof notifications>;
  readonly streams: Hono;
  readonly control: Hono;
}

function createPlace(profile: keyof typeof profiles): Place {
  const written = journal();
  const given = peerOptions(profile, written, () => notifier);
  const { authenticate, authorize, origins, peer, ...options } = given;
  const notifier: Notifier = createNotifier({ ...options, log: memoryLog(profiles[profile].keep) });
  const identify = async (c: Context) => {
    const identity = await authenticate?.(c);
    return identity ? { ...identity, ...peer } : null;
  };
  const admission = { authenticate: identify, authorize, origins };
  return {
    notifier,
    connect: notifications(notifier, admission),
    streams: new Hono().route("/:profile/:name", transports(notifier, admission)),
    control: controlApp(() => notifier, written),
  };
}
