import { describe, expect } from "vitest";
import { errors } from "../expected.ts";
import type { PeerTest } from "../site.ts";

/** Calling methods, and sending without a reply. */
export function calls(test: PeerTest): void {
  describe("rpc", () => {
    test("returns what the handler returns", async ({ site }) => {
      const peer = await site().connect();
      for (const data of [{ a: [1, "x"] }, null, 0, "", false])
        expect((await peer.call("rpc", { method: "echo", data })).rpc).toEqual({ data });
      expect((await peer.call("rpc", { method: "nothing" })).rpc).toEqual({});
    });

    test("of an unknown or invalid method, or with too large a result, is refused", async ({ site }) => {
      const peer = await site("tight").connect();
      for (const [name, code, params] of [
        ["an unknown method", 104, { method: "other" }],
        ["a method of objects", 104, { method: "toString" }],
        ["no method", 107, { data: 1 }],
        ["a number", 107, { method: 7 }],
        ["too large a result", 106, { method: "echo", data: "x".repeat(2_047) }],
      ] as const)
        expect((await peer.call("rpc", params)).error, name).toEqual(errors[code]);
      await peer.nothing();
    });

    test("whose handler throws, rejects or returns what JSON cannot hold is answered with 100", async ({
      site,
    }) => {
      const here = site();
      const peer = await here.connect();
      for (const method of ["throws", "rejects", "unwritable"])
        expect((await peer.call("rpc", { method })).error).toEqual(errors[100]);
      await peer.nothing();
      expect(await here.take("error", 3)).toEqual([
        { stage: "rpc", message: "thrown" },
        { stage: "rpc", message: "rejected" },
        { stage: "rpc", message: expect.any(String) },
      ]);
    });

    test("that nobody waits for any more is aborted: the client has left", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      peer.send({ id: 2, rpc: { method: "hold", data: "a" } });
      await peer.call("ping");
      peer.close();
      expect(await here.take("aborted", 1)).toEqual([{ handler: "rpc hold a" }]);
    });
  });

  describe("send", () => {
    test("calls the handler, in order, and has no reply", async ({ site }) => {
      const here = site();
      const peer = await here.connect();
      peer.send({ send: { data: 1 } }, { send: { data: { a: [] } } }, { send: { data: null } });
      expect(await here.take("sent", 3)).toEqual([
        { user: "ann", data: 1 },
        { user: "ann", data: { a: [] } },
        { user: "ann", data: null },
      ]);
      await peer.nothing();
    });

    test("with an id is refused with 107", async ({ site }) => {
      const peer = await site().connect();
      peer.send({ id: 2, send: { data: 1 } });
      expect(await peer.take(1)).toEqual([{ id: 2, error: errors[107] }]);
    });
  });
}
