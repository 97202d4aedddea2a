import { Hono } from "hono";
import { NotifierObject, type NotifierObjectOptions, route } from "tocsin/cloudflare";
import { type PeerOptions, peerOptions } from "../peer/app.ts";
import { controlApp } from "../peer/control.ts";
import { journal } from "../peer/journal.ts";
import { type Profile, placeOf, profiles } from "../peer/profiles.ts";

/** An object for each path `/<profile>/<name>`, which is its name. */
export class Peers extends NotifierObject {
  readonly #journal = journal();

  protected override options(): NotifierObjectOptions {
    const { name } = (this.ctx as { id: { name: string } }).id;
    const profile = placeOf(name)?.profile as Profile;
    const options: PeerOptions = peerOptions(profile, this.#journal, () => this.notifier);
    return { ...options, peer: () => options.peer, log: profiles[profile].keep };
  }

  protected override app(): Hono {
    return controlApp(() => this.notifier, this.#journal);
  }
}

const app = new Hono();
app.all(
  "/:profile/:name/*",
  route("PEERS", { by: (c) => `/${c.req.param("profile")}/${c.req.param("name")}` }),
);
export default app;
