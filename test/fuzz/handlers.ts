import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Authorize, Peer, RpcHandler } from "../../src/model/peer.ts";
import { owners } from "./fate.ts";

/** The peers and the handlers of a fuzzed notifier. The handlers return a result, throw or reject. */

/** The error that the handlers throw. */
const ours = new Error("thrown by a handler");

const fail = (): never => {
  throw ours;
};

const authorize: Authorize = (_, { channel }) => {
  if (channel === "throw") return fail();
  if (channel === "reject") return Promise.reject(ours);
  return channel === "later" ? Promise.resolve(true) : channel !== "deny";
};

export const rpc: Readonly<Record<string, RpcHandler>> = {
  echo: (_, { data }) => data,
  throw: fail,
  reject: () => Promise.reject(ours),
  later: async () => "later",
  unspeakable: () => 1n,
  nothing: () => undefined,
};

/**
 * Returns three peers: one with a channel of her own, one whose token can be refreshed, and one without any permission.
 */
export function peersAt(time: () => number): Peer[] {
  const refresh: Peer["refresh"] = (_, token) => {
    if (token === "throw") return fail();
    if (token === "bad") return null;
    return time() + (token === "late" ? -1 : 60_000);
  };
  return [
    { user: "ann", channels: ["user:ann"], authorize, info: { name: "Ann" } },
    { user: "bob", authorize, refresh, receive: fail },
    { user: "" },
  ];
}

/** Starts the runs that a peer may cancel. */
export function startRuns(notifier: Notifier): void {
  for (const [id, owner] of Object.entries(owners)) {
    const run = notifier.run(async ({ signal }) => until(signal), { id, owner });
    run.result().catch(() => {});
  }
}

/** Returns whether an error comes from one of these handlers. */
export function isOurs(error: unknown): boolean {
  return (
    error === ours || (error instanceof TypeError && error.message.startsWith("Cannot put the answer of "))
  );
}

function until(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
  );
}
