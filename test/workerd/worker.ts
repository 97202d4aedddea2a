import { StandIn } from "./stand-in.ts";

/** The bindings of the worker. */
interface Env {
  readonly PEERS: Namespace;
}

interface Namespace {
  idFromName(name: string): unknown;
  get(id: unknown): { fetch(request: Request): Promise<Response> };
}

/** An object for each path `/<profile>/<name>`. */
export class Peers extends StandIn {}

export default {
  fetch(request: Request, { PEERS }: Env): Promise<Response> {
    const [, profile, name] = new URL(request.url).pathname.split("/");
    return PEERS.get(PEERS.idFromName(`${profile}/${name}`)).fetch(request);
  },
};
