import { describe, expect, test } from "vitest";
import type { Notifier, RestoreOptions } from "../../../src/engine/notifier/notifier.ts";
import type { NotifierObjectOptions } from "../../../src/hosts/cloudflare/options.ts";
import { Sockets } from "../../../src/hosts/cloudflare/sockets.ts";
import { PeerHandlers } from "../../../src/hosts/handlers.ts";
import type { Peer } from "../../../src/model/peer.ts";
import type { Session, SessionState, Socket } from "../../../src/model/socket.ts";
import { FakeSocket, fakeState } from "../../support/fake-object.ts";

interface FakeSession extends Session {
  readonly isOpen: boolean;
  state: SessionState | undefined;
  readonly told: unknown[];
}

/** The sockets of an object over a notifier that only notes what it is asked. */
function object(options: Pick<NotifierObjectOptions, "authorize" | "peer"> = {}) {
  const state = fakeState();
  const rows = new Map<string, string>();
  const reports: string[] = [];
  const restored: { state: SessionState; options: RestoreOptions }[] = [];
  const fault: { table?: Error; accept?: Error; restore?: (id: string) => Error | undefined } = {};
  const sessionOf = (kept: SessionState, socket: Socket): FakeSession => {
    let isOpen = true;
    const told: unknown[] = [];
    return {
      id: kept.id,
      state: kept,
      told,
      get isOpen() {
        return isOpen;
      },
      receive: () => socket.changed?.(false),
      ended: (code) => {
        told.push(code);
        isOpen = false;
      },
      heard: (at) => void told.push(`heard ${at}`),
    };
  };
  const notifier = {
    accept(socket: Socket, { user }: Peer) {
      if (fault.accept !== undefined) throw fault.accept;
      return sessionOf({ format: 1, id: `id of ${user}`, user }, socket);
    },
    restore(socket: Socket, kept: SessionState, given: RestoreOptions) {
      const error = fault.restore?.(kept.id);
      if (error !== undefined) throw error;
      restored.push({ state: kept, options: given });
      return sessionOf(kept, socket);
    },
    report: (error: Error, { stage, owner }: { stage: string; owner: string }) =>
      void reports.push(`${stage} of ${owner}: ${error.message}`),
  } as unknown as Notifier;
  const check = <T>(result: T): T => {
    if (fault.table !== undefined) throw fault.table;
    return result;
  };
  const table = {
    put: (id: string, text: string) => void check(rows.set(id, text)),
    get: (id: string) => check(rows.get(id) ?? ""),
    delete: (id: string) => {
      check(0);
      rows.delete(id);
    },
    retain: (ids: ReadonlySet<string>) => {
      check(0);
      for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
    },
  };
  const sockets = new Sockets({ notifier, state, table, options });
  const sessionAt = (raw: FakeSocket) => sockets.of(raw)?.session as FakeSession | undefined;
  return {
    ...{ state, rows, reports, restored, fault, sockets, sessionAt },
    /** Accepts a socket for a user. */
    open(user = "ann"): FakeSocket {
      const raw = new FakeSocket();
      sockets.open(raw, new PeerHandlers(notifier, { user }, () => {}), undefined);
      return raw;
    },
    /** Adds a socket that an earlier life has left, with its attachment. */
    left(attachment: unknown, tag = "tocsin"): FakeSocket {
      const raw = new FakeSocket();
      raw.serializeAttachment(attachment);
      raw.written.length = 0;
      state.sockets.set(raw, [tag]);
      return raw;
    },
  };
}

const stateOf = (id: string, more: object = {}): SessionState => ({ format: 1, id, user: "ann", ...more });
const kept = (id: string, isStale = false) => ({ id, isStale, state: JSON.stringify(stateOf(id)) });
const reconnect = { code: 3011, reason: "force reconnect" };

describe("a socket that is accepted", () => {
  test("has the tag of sockets with sessions, a session at once, and its state", () => {
    const here = object();
    const raw = here.open();
    expect(here.state.sockets.get(raw)).toEqual(["tocsin"]);
    expect(here.sessionAt(raw)?.id).toBe("id of ann");
    expect(raw.deserializeAttachment()).toEqual(kept("id of ann"));
    expect([here.sockets.settle(), raw.written.length]).toEqual([true, 1]);
  });

  test("is closed and keeps nothing if the notifier refuses its peer", () => {
    const here = object();
    here.fault.accept = new TypeError("no such peer");
    const raw = here.open();
    expect(raw.closed).toEqual({ code: 3004, reason: "internal server error" });
    expect([raw.deserializeAttachment(), here.sessionAt(raw)]).toEqual([null, undefined]);
    expect(here.reports).toEqual(["authenticate of accept: no such peer"]);
    here.sockets.ended(raw, 1000, "");
    expect(here.sockets.of(raw)).toBe(undefined);
  });

  test("is closed with 3011 if its state cannot be kept: it would not outlive a sleep", () => {
    const here = object();
    here.fault.table = new Error("disk full");
    const raw = here.open("x".repeat(20_000));
    expect([raw.closed, here.sockets.of(raw)]).toEqual([reconnect, undefined]);
    expect(here.reports).toEqual([`host of session id of ${"x".repeat(20_000)}: disk full`]);
  });
});

describe("a new life", () => {
  test("restores what is exact as it was, and writes nothing", () => {
    const authorize = () => true;
    const [connect, refresh] = [() => null, () => null];
    const here = object({ authorize, peer: ({ user }) => ({ ...(user === "ann" && { connect, refresh }) }) });
    const raw = here.left(kept("a"));
    here.sockets.restore();
    expect(here.restored).toEqual([
      { state: stateOf("a"), options: { authorize, connect, refresh, isStale: false } },
    ]);
    expect([here.sessionAt(raw)?.id, raw.written, here.reports]).toEqual(["a", [], []]);
  });

  test("hands the identity to peer, and takes nothing but functions from it", () => {
    const identities: unknown[] = [];
    const here = object({
      peer: (identity) => {
        identities.push(identity);
        return { user: "nobody", authorize: () => true } as object;
      },
    });
    here.left({ id: "a", isStale: false, state: JSON.stringify(stateOf("a", { info: 1, channels: ["x"] })) });
    here.sockets.restore();
    expect(identities).toEqual([{ user: "ann", info: 1, channels: ["x"], expires: undefined }]);
    expect(here.restored[0]?.options).toEqual({ authorize: undefined, isStale: false });
  });

  test("says that a session may have gone on, and keeps it exactly a second later", () => {
    const here = object();
    const raw = here.left(kept("a", true));
    here.sockets.restore();
    expect(here.restored[0]?.options.isStale).toBe(true);
    expect(raw.written).toEqual([kept("a", true)]);
    expect([here.sockets.settle(), raw.deserializeAttachment()]).toEqual([true, kept("a")]);
  });

  test("has large states from the table, and deletes those of sessions that are gone", () => {
    const here = object();
    here.rows.set("a", JSON.stringify(stateOf("a", { info: "large" })));
    here.rows.set("gone", "{}");
    const raw = here.left({ id: "a", isStale: false });
    here.sockets.restore();
    expect(here.restored[0]?.state.info).toBe("large");
    expect([...here.rows.keys()]).toEqual(["a"]);
    here.sockets.ended(raw, 1000, "");
    expect(here.rows.size).toBe(0);
  });

  test("deletes the states of sessions that are gone, though no session has one", () => {
    const here = object();
    here.rows.set("gone", "{}");
    here.left(kept("a"));
    here.sockets.restore();
    expect([here.rows.size, here.restored.length]).toEqual([0, 1]);
  });

  test.each<[string, unknown, string]>([
    ["is no JSON", { id: "a", isStale: false, state: "{" }, "host of session a: "],
    ["is JSON of nothing", { id: "a", isStale: false, state: "null" }, "host of session a: "],
    [
      "is not in the table",
      { id: "a", isStale: false },
      "host of session a: Cannot restore a session: its state is not in the storage",
    ],
    [
      "is of another version",
      { id: "old", isStale: false, state: '{"id":"old"}' },
      "host of session old: another version",
    ],
    ["is none", null, "host of object: Cannot restore a session: nothing is kept with its socket"],
    ["is of somebody else", { x: 1 }, "host of object: Cannot restore a session: nothing is kept with"],
  ])(
    "closes a socket with 3011 whose state %s, reports it, and restores the others",
    (_, attachment, report) => {
      const here = object();
      here.fault.restore = (id) => (id === "old" ? new TypeError("another version") : undefined);
      const [first, broken, last] = [here.left(kept("1")), here.left(attachment), here.left(kept("2"))];
      here.sockets.restore();
      expect([broken.closed, broken.deserializeAttachment()]).toEqual([reconnect, null]);
      expect(here.sockets.of(broken)).toBe(undefined);
      expect([first.closed, last.closed]).toEqual([undefined, undefined]);
      expect(here.restored.map(({ state }) => state.id)).toEqual(["1", "2"]);
      expect(here.reports).toEqual([expect.stringContaining(report)]);
    },
  );

  test("closes a socket whose functions cannot be had", () => {
    const here = object({ peer: (async () => ({})) as never });
    const raw = here.left(kept("a"));
    here.sockets.restore();
    expect(raw.closed).toEqual(reconnect);
    expect(here.reports).toEqual([
      "host of session a: Cannot use a promise: peer has to return the functions at once",
    ]);
  });

  test("leaves alone what is already closing, and sockets that are not of sessions", () => {
    const here = object();
    const [closing, foreign] = [here.left(null), here.left({ id: "mine" }, "own")];
    closing.close(3001, "shutdown");
    here.sockets.restore();
    expect([closing.readyState, foreign.closed]).toEqual([2, undefined]);
    expect([here.reports, here.restored]).toEqual([[], []]);
  });

  test("restores sessions though the table fails", () => {
    const here = object();
    here.fault.table = new Error("busy");
    const raw = here.left(kept("a"));
    here.sockets.restore();
    expect([here.sessionAt(raw)?.id, here.reports]).toEqual(["a", ["host of object: busy"]]);
  });

  test("tells its sessions when their clients' pings were last answered", () => {
    const here = object();
    const [heard, silent] = [here.left(kept("1")), here.left(kept("2"))];
    here.state.answeredAt.set(heard, new Date(5_000));
    here.sockets.restore();
    expect([here.sessionAt(heard)?.told, here.sessionAt(silent)?.told]).toEqual([
      ["heard 5000"],
      ["heard 0"],
    ]);
  });
});

describe("the end of a socket", () => {
  test("ends its session, drops what was kept, and is answered", () => {
    const here = object();
    const raw = here.open();
    const session = here.sessionAt(raw);
    here.sockets.ended(raw, 1001, "going away");
    here.sockets.ended(raw, 1001, "going away");
    expect([session?.told, here.sockets.of(raw), raw.deserializeAttachment()]).toEqual([
      [1001],
      undefined,
      null,
    ]);
    expect(raw.closed).toEqual({ code: 1000, reason: "" });
  });

  test("is answered also where there is no session", () => {
    const here = object();
    const raw = here.left(null, "own");
    here.sockets.ended(raw, 4000, "mine");
    expect([raw.closed, here.reports]).toEqual([{ code: 4000, reason: "mine" }, []]);
  });

  test("is reported, and no more, if the large state cannot be deleted", () => {
    const here = object();
    here.rows.set("a", JSON.stringify(stateOf("a")));
    const raw = here.left({ id: "a", isStale: false });
    here.sockets.restore();
    const session = here.sessionAt(raw);
    here.fault.table = new Error("busy");
    here.sockets.ended(raw, 1000, "");
    expect([session?.told.at(-1), raw.closed?.code]).toEqual([1000, 1000]);
    expect([raw.deserializeAttachment(), here.reports]).toEqual([null, ["host of session a: busy"]]);
  });

  test("is not waited for once the session has cut it", () => {
    const here = object();
    const raw = here.open();
    here.sessionAt(raw)?.receive("progress");
    here.sockets.of(raw)?.terminate();
    expect([here.sockets.of(raw), raw.closed?.code, here.sockets.settle()]).toEqual([undefined, 3001, true]);
  });
});

describe("the progress of clients", () => {
  test("is kept for all at the next look", () => {
    const here = object();
    const sockets = [here.open("ann"), here.open("bob")];
    for (const raw of sockets) here.sessionAt(raw)?.receive("progress");
    const isStale = () => sockets.map((raw) => (raw.deserializeAttachment() as { isStale: boolean }).isStale);
    expect(isStale()).toEqual([true, true]);
    expect([here.sockets.settle(), isStale()]).toEqual([true, [false, false]]);
  });

  test("that cannot be read yet is kept at a later look", () => {
    const here = object();
    const raw = here.open();
    const session = here.sessionAt(raw) as FakeSession;
    session.receive("progress");
    const { state } = session;
    session.state = undefined;
    expect(here.sockets.settle()).toBe(false);
    session.state = state;
    expect([here.sockets.settle(), here.sockets.settle()]).toEqual([false, true]);
  });

  test("that cannot be kept is reported, and its client connects again; that of the others is kept", () => {
    const here = object();
    const [lost, other] = [here.open("ann"), here.open("bob")];
    const session = here.sessionAt(lost) as FakeSession;
    for (const raw of [lost, other]) here.sessionAt(raw)?.receive("progress");
    session.state = stateOf("id of ann", { info: "x".repeat(20_000) });
    here.fault.table = new Error("disk full");
    expect(here.sockets.settle()).toBe(true);
    expect([lost.closed, session.told, here.sockets.of(lost)]).toEqual([reconnect, [3011], undefined]);
    expect([other.closed, other.deserializeAttachment()]).toEqual([
      undefined,
      { id: "id of bob", isStale: false, state: JSON.stringify({ format: 1, id: "id of bob", user: "bob" }) },
    ]);
    expect(here.reports).toEqual(["host of session id of ann: disk full"]);
  });
});

test("a look at who was heard leaves out sessions that are over", () => {
  const here = object();
  const [open, over] = [here.open("ann"), here.open("bob")];
  here.sessionAt(over)?.ended(3008);
  here.sockets.sweep();
  expect([here.sessionAt(open)?.told, here.sessionAt(over)?.told]).toEqual([["heard 0"], [3008]]);
});
