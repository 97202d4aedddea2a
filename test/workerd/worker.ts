import type { Hono } from "hono";
import { Hono as App, type Context } from "hono";
import type { Identity, Notifier, Peer } from "tocsin";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import { peerOptions } from "../peer/app.ts";
import { controlApp } from "../peer/control.ts";
import { journal } from "../peer/journal.ts";
import { placeOf, profiles } from "../peer/profiles.ts";

// The notifiers that tests talk to, in objects: one for each path `/<profile>/<name>`.

/** The user whose identity a token in the connect command decides. */
const byToken = "by token";

export class Peers extends NotifierObject {
  readonly #journal = journal();
  /** The notifier of the first life: tests look at what is left of it once it has closed. */
  #first: Notifier | undefined;

  protected override options(): NotifierObjectOptions {
    const { name } = (this.ctx as { id: { name: string } }).id;
    const profile = placeOf(`/${name}`)?.profile ?? "open";
    const options = peerOptions(profile, this.#journal, () => this.notifier);
    return { ...options, log: profiles[profile].keep, ...withoutFunctions(options) };
  }

  protected override app(): Hono {
    this.#first ??= this.notifier;
    const first = this.#first;
    return controlApp(() => first, this.#journal);
  }
}

/** Moves the functions from the identities, which do not survive a sleep, to the options. */
function withoutFunctions({
  authenticate,
}: ReturnType<typeof peerOptions>): Pick<NotifierObjectOptions, "authenticate" | "peer"> {
  /** The functions that the identities have had. They are the same for all of them, as far as there are any. */
  const found: Pick<Peer, "connect" | "refresh" | "receive"> = {};
  return {
    authenticate: async (c: Context): Promise<Identity | null> => {
      const identity = (await authenticate?.(c)) ?? null;
      if (identity === null) return null;
      const { connect, refresh, receive, ...rest } = identity;
      Object.assign(found, connect && { connect }, refresh && { refresh }, receive && { receive });
      return connect === undefined ? rest : { ...rest, user: byToken };
    },
    peer: {
      connect: async (peer, call) =>
        peer.user === byToken ? ((await found.connect?.(peer, call)) ?? null) : identityOf(peer),
      refresh: async (peer, token) => (await found.refresh?.(peer, token)) ?? null,
      receive: (peer, data) => found.receive?.(peer, data),
    },
  };
}

function identityOf({ user, channels, info, expires }: Peer): Identity {
  return { user, channels, info, expires };
}

const app = new App();
app.all(
  "/:profile/:name/*",
  route("PEERS", { by: (c) => `${c.req.param("profile")}/${c.req.param("name")}` }),
);
export default app;
