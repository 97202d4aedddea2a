import type { Hono } from "hono";
import { Hono as App, type Context } from "hono";
import type { Identity, Notifier } from "tocsin";
import { NotifierObject, type NotifierObjectOptions, type PeerFunctions, route } from "tocsin/cloudflare";
import { peerOptions } from "../peer/app.ts";
import { controlApp } from "../peer/control.ts";
import { journal } from "../peer/journal.ts";
import { placeOf, profiles } from "../peer/profiles.ts";

// The notifiers that tests talk to, in objects: one for each path `/<profile>/<name>`.

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
  /** The functions of each identity. A real application would know them by the user, or by what it says in `info`. */
  const found = new Map<string, PeerFunctions>();
  return {
    authenticate: async (c: Context): Promise<Identity | null> => {
      const identity = (await authenticate?.(c)) ?? null;
      if (identity === null) return null;
      const { connect, refresh, receive, ...rest } = identity;
      found.set(keyOf(rest), { connect, refresh, receive });
      return rest;
    },
    peer: (identity) => found.get(keyOf(identity)) ?? {},
  };
}

function keyOf({ user, channels, info, expires }: Identity): string {
  return JSON.stringify([user, channels, info, expires]);
}

const app = new App();
app.all(
  "/:profile/:name/*",
  route("PEERS", { by: (c) => `${c.req.param("profile")}/${c.req.param("name")}` }),
);
export default app;
