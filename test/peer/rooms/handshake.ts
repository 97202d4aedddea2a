import { describe, expect } from "vitest";
import { upgrade } from "../../support/tcp.ts";
import { page } from "../profiles.ts";
import type { PeerTest, Site } from "../site.ts";
import type { Given } from "../suite.ts";

/** Returns the head of the response to a handshake, its names of headers in lower case. */
async function answerTo(site: Site, headers: string[] = [], query = "user=ann"): Promise<string> {
  const peer = site.tcp(upgrade(`${site.path}?${query}`, headers));
  const received = await peer.until(/\r\n\r\n/);
  return received.replace(/\r\n\r\n.*/s, "").replace(/^[\w-]+:/gm, (name) => name.toLowerCase());
}

/** The origin of a page of the same host: that of the requests. */
const own = "Origin: http://localhost";

/** The response to a handshake. */
export function handshake(test: PeerTest, { dropsUpgrade = false, beginsAnew = false }: Given): void {
  describe("a handshake", () => {
    test("is accepted, with the key that proves it", async ({ site }) => {
      const answer = await answerTo(site());
      expect(answer).toMatch(/^HTTP\/1.1 101 /);
      expect(answer).toMatch(/^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/m);
      expect(answer).not.toMatch(/sec-websocket-(protocol|extensions)/);
    });

    test("without Upgrade is refused with 426, which says how to go on", async ({ site }) => {
      const here = site();
      const response = await fetch(here.address().replace(/^ws/, "http"));
      const upgrade = dropsUpgrade ? null : "websocket";
      expect([response.status, response.headers.get("upgrade")]).toEqual([426, upgrade]);
      await response.text();
      expect(await here.take("refused", 1)).toEqual([{ code: 426 }]);
    });

    test("of a foreign page is refused with 403, and where pages are listed also one of the same host", async ({
      site,
    }) => {
      for (const [here, origins] of [
        [site(), ["https://evil.example", "http://localhost:1", "null"]],
        [site("closed"), ["http://localhost"]],
      ] as const) {
        for (const origin of origins)
          expect(await answerTo(here, [`Origin: ${origin}`]), origin).toMatch(/^HTTP\/1.1 403 /);
        expect(await here.take("refused", origins.length)).toEqual(origins.map(() => ({ code: 403 })));
      }
    });

    test("of a page of the same host, and of a page that is listed, is accepted", async ({ site }) => {
      expect(await answerTo(site(), [own])).toMatch(/^HTTP\/1.1 101 /);
      expect(await answerTo(site("closed"), [`Origin: ${page}`])).toMatch(/^HTTP\/1.1 101 /);
    });

    test("of nobody is refused with 401", async ({ site }) => {
      const here = site("closed");
      const answer = await answerTo(here, [], "");
      expect(answer).toMatch(/^HTTP\/1.1 401 /);
      expect(answer).toMatch(/^www-authenticate: Bearer$/m);
      expect(await here.take("refused", 1)).toEqual([{ code: 401 }]);
    });

    test("whose authenticate throws is refused with 500, and the error is reported", async ({ site }) => {
      const here = site();
      expect(await answerTo(here, [], "user=throws")).toMatch(/^HTTP\/1.1 500 /);
      expect(await here.take("error", 1)).toEqual([{ stage: "authenticate", message: "not authenticated" }]);
      expect(await here.take("refused", 1)).toEqual([{ code: 500 }]);
    });

    test("that offers the protocol of JSON gets it, and one that offers what is foreign gets none", async ({
      site,
    }) => {
      const here = site();
      for (const [offers, selected] of [
        ["centrifuge-json", "centrifuge-json"],
        ["graphql-ws, centrifuge-json", "centrifuge-json"],
        ["graphql-ws", undefined],
        ["centrifuge-json, centrifuge-protobuf", "centrifuge-json"],
        ["centrifuge-protobuf", "centrifuge-protobuf"],
      ] as const) {
        const answer = await answerTo(here, [`Sec-WebSocket-Protocol: ${offers}`]);
        expect(answer).toMatch(/^HTTP\/1.1 101 /);
        expect(/^sec-websocket-protocol: (.*?)\r?$/m.exec(answer)?.[1], offers).toBe(selected);
      }
      expect((await here.open({}, ["centrifuge-json"])).protocol).toBe("centrifuge-json");
    });

    test("that offers only an encoding that the server does not have is refused with 400", async ({
      site,
    }) => {
      const here = site("tight");
      const answer = await answerTo(here, ["Sec-WebSocket-Protocol: mqtt, centrifuge-protobuf"]);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(await here.take("refused", 1)).toEqual([{ code: 400 }]);
    });

    test("over the limit of sessions is refused with 503 until one leaves", async ({ site }) => {
      const here = site("tight");
      const watcher = await here.connect({ user: "a" });
      await watcher.call("subscribe", { channel: "room", join_leave: true });
      const [second] = [await here.subscribe("room", { user: "b" }), await here.connect({ user: "c" })];
      const answer = await answerTo(here, [], "user=d");
      expect(answer).toMatch(/^HTTP\/1.1 503 /);
      expect(answer).toMatch(/^retry-after: 1$/m);
      expect(await here.take("refused", 1)).toEqual([{ code: 503 }]);
      second.close();
      const pushes = await watcher.take(3);
      expect(pushes.map(({ push }) => Object.keys(push ?? {})[1])).toEqual(["join", "join", "leave"]);
      expect(await answerTo(here, [], "user=d")).toMatch(/^HTTP\/1.1 101 /);
    });

    test("over the limit of sessions of a user is refused with 503, and one of another user is not", async ({
      site,
    }) => {
      const here = site("tight");
      for (let n = 0; n < 2; n++) await here.connect({ user: "ann" });
      expect(await answerTo(here, [], "user=ann")).toMatch(/^HTTP\/1.1 503 /);
      expect(await here.take("refused", 1)).toEqual([{ code: 503 }]);
      expect(await answerTo(here, [], "user=bob")).toMatch(/^HTTP\/1.1 101 /);
    });

    test("with a notifier that is closed is refused with 503, unless another one begins", async ({
      site,
    }) => {
      const here = site();
      await here.control.close({});
      const answer = await answerTo(here);
      if (beginsAnew) return expect(answer).toMatch(/^HTTP\/1.1 101 /);
      expect(answer).toMatch(/^HTTP\/1.1 503 /);
      expect(answer).toMatch(/^retry-after: 1$/m);
      expect(await here.take("refused", 1)).toEqual([{ code: 503 }]);
    });
  });
}
