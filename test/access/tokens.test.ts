import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { sign } from "hono/jwt";
import { describe, expect, onTestFinished, test } from "vitest";
import { Keys } from "../../src/access/keys.ts";
import type { Peer } from "../../src/model/peer.ts";
import { fakeClock } from "../../src/testing.ts";
import { type JwksOptions, type SecretOptions, tokens } from "../../src/tokens.ts";
import { rejection } from "../support/core.ts";
import { runtime } from "../support/runtime.ts";
import { site } from "../support/server.ts";
import { dataOf, dial, heard } from "../support/stock-client.ts";
import { type Client, pub, start, version, type Wire, wire } from "../support/wire.ts";

const secret = "0123456789abcdef0123456789abcdef";
const minute = 60_000;
/** `exp` in a token counts in seconds. */
const soon = (start + minute) / 1000;
const invalid = { code: 3500, reason: "invalid token" };
const expired = { code: 3005, reason: "connection expired" };
const signed = (claims: object, key: Parameters<typeof sign>[1] = secret, algorithm?: "HS256" | "HS512") =>
  sign(claims as Parameters<typeof sign>[0], key, algorithm);

/** Connects a client whose token is verified. */
function guest(options: Partial<SecretOptions> = {}, here = wire()): { here: typeof here; client: Client } {
  const peer: Peer = { ...tokens({ secret, ...options })(), authorize: () => true };
  return { here, client: here.client({ peer }) };
}

describe("a token in the connect command", () => {
  test("sets who it is, its channels, what others see, and its expiry", async () => {
    const { here, client } = guest();
    const claims = { sub: "ann", exp: soon, channels: ["user:ann"], info: { name: "Ann" }, iat: soon };
    const result = await connectWith(here, client, await signed(claims));
    const epoch = await here.epoch("user:ann");
    expect(result).toEqual({
      client: client.id,
      version,
      ping: 25,
      pong: true,
      expires: true,
      ttl: 50,
      subs: { "user:ann": { recoverable: true, positioned: true, epoch, offset: 0 } },
    });
    await here.publish("user:ann", 1);
    expect(client.take()).toEqual([pub("user:ann", 1, 1)]);
    const session = client.id;
    expect((await here.notifier.presence("user:ann")).clients).toEqual([
      { session, user: "ann", info: { name: "Ann" } },
    ]);
    await here.clock.advance(minute);
    expect(client.closed).toEqual(expired);
  });

  test("without an expiry is never requested again, and the authorizer still decides", async () => {
    const asked: string[] = [];
    const here = wire();
    const peer: Peer = {
      ...tokens({ secret })(),
      authorize: ({ user }, { channel }) => asked.push(`${user} ${channel}`) > 0,
    };
    const client = here.client({ peer });
    expect(await connectWith(here, client, await signed({ sub: "ann" }))).toEqual({
      client: client.id,
      version,
      ping: 25,
      pong: true,
    });
    await client.call("subscribe", { channel: "news" });
    expect(asked).toEqual(["ann news"]);
    await here.clock.advance(10 * minute);
    expect(client.closed).toBeUndefined();
  });

  test("that has expired is refused with 109, and closes with a code after which clients come back", async () => {
    const { here, client } = guest();
    client.send({ id: 1, connect: { token: await signed({ sub: "ann", exp: start / 1000 }) } });
    await until(() => client.closed !== undefined, here);
    expect(client.received).toEqual([{ id: 1, error: { code: 109, message: "token expired" } }]);
    expect(client.closed).toEqual(expired);
    expect(here.notifier.totals().errors).toEqual({ 109: 1 });
  });

  const unsigned = (header: object, claims: unknown) =>
    `${[header, claims].map((part) => btoa(JSON.stringify(part)).replace(/=/g, "")).join(".")}.`;

  test.each<[string, () => unknown]>([
    ["missing", () => undefined],
    ["empty", () => ""],
    ["no text", () => 7],
    ["no token", () => "a.b.c"],
    ["of two parts", () => "a.b"],
    ["a text of 60 000 points", () => ".".repeat(60_000)],
    ["signed with another secret", () => signed({ sub: "ann" }, `${secret}!`)],
    ["signed with another algorithm", () => signed({ sub: "ann" }, secret, "HS512")],
    ["not signed", () => unsigned({ alg: "none", typ: "JWT" }, { sub: "ann" })],
    [
      "unsigned with a header that names an algorithm",
      () => unsigned({ alg: "HS256", typ: "JWT" }, { sub: "ann" }),
    ],
    ["expired, and not signed", () => unsigned({ alg: "HS256", typ: "JWT" }, { sub: "ann", exp: 1 })],
    ["without claims", () => unsigned({ alg: "HS256", typ: "JWT" }, null)],
    ["without a header", () => unsigned(null as never, { sub: "ann" })],
    ["without a user", () => signed({})],
    ["of a user that is not a string", () => signed({ sub: 7 })],
    ["with an expiry that is not a number", () => signed({ sub: "ann", exp: "never" })],
    ["with channels that are not a list", () => signed({ sub: "ann", channels: "news" })],
    ["with channels that are not strings", () => signed({ sub: "ann", channels: [7] })],
    ["not valid yet", () => signed({ sub: "ann", nbf: 9_999_999_999 })],
  ])("that is %s closes with 3500, without a reply and without a report", async (_name, make) => {
    const { here, client } = guest();
    client.send({ id: 1, connect: { token: await make() } });
    await here.clock.advance(0);
    await until(() => client.closed !== undefined);
    expect(client.closed).toEqual(invalid);
    expect(client.messages).toEqual([]);
    const { closed, errors, limits } = here.notifier.totals();
    expect({ closed, errors, limits }).toEqual({ closed: { 3500: 1 }, errors: {}, limits: {} });
  });

  test("has to have the audience and the issuer, where these are configured", async () => {
    const options = { audience: ["a", "b"], issuer: "us" };
    const outcomes = [
      { sub: "ann", aud: "b", iss: "us" },
      { sub: "ann", aud: ["c", "a"], iss: "us" },
      { sub: "ann", aud: "c", iss: "us" },
      { sub: "ann", iss: "us" },
      { sub: "ann", aud: "a", iss: "them" },
      { sub: "ann", aud: "a" },
    ].map(async (claims) => {
      const { here, client } = guest(options);
      client.send({ id: 1, connect: { token: await signed(claims) } });
      await here.clock.advance(0);
      await until(() => client.closed !== undefined || client.received.length > 0, here);
      return client.closed?.code ?? "connected";
    });
    expect(await Promise.all(outcomes)).toEqual(["connected", "connected", 3500, 3500, 3500, 3500]);
  });

  test("of a user with the maximum of sessions closes with 3504", async () => {
    const here = wire({ limits: { userSessions: 1 } });
    const token = await signed({ sub: "ann" });
    const [first, second] = [guest({}, here).client, guest({}, here).client];
    await connectWith(here, first, token);
    second.send({ id: 1, connect: { token } });
    await until(() => second.closed !== undefined);
    expect(second.closed).toEqual({ code: 3504, reason: "connection limit" });
    expect(here.notifier.totals().limits).toEqual({ userSessions: 1 });
    first.drop();
    const third = guest({}, here).client;
    expect(await connectWith(here, third, token)).toMatchObject({ client: third.id });
  });

  test("of a session that ends during its verification takes no place of its user", async () => {
    const here = wire({ limits: { userSessions: 1 } });
    for (let steps = 0; steps < 20; steps++) {
      let find: (identity: { user: string }) => void = () => {};
      const connect: Peer["connect"] = () => new Promise((resolve) => (find = resolve));
      const client = here.client({ peer: { user: "", connect } });
      client.send({ id: 1, connect: { token: "t" } });
      await here.clock.settle();
      find({ user: "ann" });
      for (let step = 0; step < steps; step++) await Promise.resolve();
      client.drop();
      await here.clock.settle();
      expect([steps, here.notifier.admits("ann")]).toEqual([steps, true]);
    }
    expect(here.notifier.stats()).toMatchObject({ sessions: 0, waits: 0, tasks: 0 });
  });

  test("counts as one session: disconnecting the user ends it", async () => {
    const { here, client } = guest();
    await connectWith(here, client, await signed({ sub: "ann" }));
    here.notifier.disconnect({ user: "" });
    expect(client.closed).toBeUndefined();
    here.notifier.disconnect({ user: "ann" });
    expect(client.closed?.code).toBe(3503);
  });
});

/** Waits until `isSo` returns true. The verification of signatures does not use the fake clock. */
async function until(isSo: () => boolean, here?: Wire): Promise<void> {
  for (;;) {
    await here?.clock.settle();
    if (isSo()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Connects with a token, and returns the result. */
async function connectWith(here: Wire, client: Client, token: string): Promise<unknown> {
  client.send({ id: 1, connect: { token } });
  await until(() => client.received.length > 0, here);
  return (client.take()[0] as { connect: unknown }).connect;
}

describe("a token in the refresh command", () => {
  async function connected() {
    const { here, client } = guest();
    await connectWith(here, client, await signed({ sub: "ann", exp: soon }));
    const refresh = async (token: string) => {
      client.send({ id: 7, refresh: { token } });
      await until(() => client.closed !== undefined || client.received.length > 0, here);
      return client.closed ?? client.take()[0];
    };
    return { here, client, refresh };
  }

  test("moves the expiry", async () => {
    const { here, client, refresh } = await connected();
    const reply = await refresh(await signed({ sub: "ann", exp: soon + 60 }));
    expect(reply).toEqual({ id: 7, refresh: { client: client.id, version, expires: true, ttl: 110 } });
    await here.clock.advance(minute);
    expect(client.closed).toBeUndefined();
    await here.clock.advance(minute);
    expect(client.closed).toEqual(expired);
  });

  test("changes nothing else: who it is and its channels stay as at connect", async () => {
    const { here, refresh } = await connected();
    await refresh(await signed({ sub: "ann", exp: soon, channels: ["other"], info: 1 }));
    expect(here.notifier.stats()).toMatchObject({ sessions: 1, subscriptions: 0 });
  });

  test("of another user, or that is invalid, closes with 3500", async () => {
    for (const token of [
      await signed({ sub: "bob", exp: soon }),
      await signed({ sub: "ann" }, `${secret}!`),
    ]) {
      const { refresh } = await connected();
      expect(await refresh(token)).toEqual(invalid);
    }
  });

  test("that has expired closes with 3005", async () => {
    const { refresh } = await connected();
    expect(await refresh(await signed({ sub: "ann", exp: start / 1000 }))).toEqual(expired);
  });
});

describe("options that would accept wrong tokens", () => {
  test.each<[string, object, typeof Error]>([
    ["a secret of 31 bytes", { secret: secret.slice(1) }, RangeError],
    ["no secret", { secret: undefined }, RangeError],
    ["no algorithm", { secret, algorithms: [] }, TypeError],
    ["the algorithm none", { secret, algorithms: ["none"] }, TypeError],
    ["the algorithm of a key pair for a secret", { secret, algorithms: ["HS256", "RS256"] }, TypeError],
    ["the algorithm of a secret for keys", { jwks: [], algorithms: ["HS256"] }, TypeError],
    ["an empty audience", { secret, audience: "" }, TypeError],
    ["an empty list of audiences", { secret, audience: [] }, TypeError],
    ["an empty issuer", { secret, issuer: "" }, TypeError],
    ["keys from an invalid URL", { jwks: "nowhere" }, TypeError],
  ])("%s", (_name, options, error) => {
    expect(() => tokens(options as SecretOptions)).toThrow(error);
  });

  test("are refused with what to pass instead", () => {
    const either = "Cannot check tokens: give one of secret and jwks, tokens({ secret }) or tokens({ jwks })";
    for (const options of [undefined, {}, { audience: "app" }, { secret, jwks: [] }])
      expect(() => tokens(options as never)).toThrow(new TypeError(either));
    const nowhere = 'Cannot check tokens by jwks "nowhere": give a list of keys, or a URL';
    expect(() => tokens({ jwks: "nowhere" })).toThrow(new TypeError(nowhere));
  });
});

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

describe("public keys", () => {
  /** Makes a key pair: the private key, and the public key as it is published. */
  async function pair(kid: string) {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const keys = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as {
      privateKey: Key;
      publicKey: Key;
    };
    const [own, published] = await Promise.all(
      [keys.privateKey, keys.publicKey].map((key) => crypto.subtle.exportKey("jwk", key)),
    );
    return { own: { ...own, kid, alg: "ES256" }, published: { ...published, kid, alg: "ES256" } };
  }

  /** Starts a server of public keys that counts its requests. */
  async function published(...keys: object[]) {
    const here = { keys, asked: 0, status: 200, hangs: false, url: "" };
    const server = createServer((_request, response) => {
      here.asked++;
      if (here.hangs) return;
      response.writeHead(here.status, { "content-type": "application/json", connection: "close" });
      response.end(JSON.stringify({ keys: here.keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections?.();
      server.close();
    });
    here.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    return here;
  }

  async function outcomeOf(options: JwksOptions, token: string): Promise<unknown> {
    const { connect } = tokens(options)();
    const found = await connect?.(
      { user: "" },
      { token, data: undefined, signal: new AbortController().signal },
    );
    return found?.user ?? found;
  }

  test("accept tokens signed with one of their private keys, and no others", async () => {
    const [one, other] = [await pair("1"), await pair("1")];
    const jwks = [one.published];
    expect(await outcomeOf({ jwks }, await signed({ sub: "ann" }, one.own as never))).toBe("ann");
    expect(await outcomeOf({ jwks }, await signed({ sub: "ann" }, other.own as never))).toBe(null);
    // The public key is not a secret. A token that uses it as the secret of HS256 is refused.
    const forged = await signed({ sub: "ann" }, JSON.stringify(one.published));
    expect(await outcomeOf({ jwks }, forged)).toBe(null);
    const algorithms = ["RS256"] as const;
    expect(await outcomeOf({ jwks, algorithms }, await signed({ sub: "ann" }, one.own as never))).toBe(null);
  });

  test("are fetched once for all that wait, and again for a new key id, but not whenever a peer wants", async () => {
    const [one, two, three] = [await pair("1"), await pair("2"), await pair("3")];
    const server = await published(one.published);
    const clock = fakeClock();
    const keys = new Keys({ jwks: server.url, clock });
    const ids = async (id: string) => (await keys.with(id)).map(({ kid }) => kid);
    expect(await Promise.all([ids("1"), ids("1"), ids("made up")])).toEqual([["1"], ["1"], ["1"]]);
    expect(server.asked).toBe(1);
    server.keys = [two.published, three.published];
    expect(await ids("2")).toEqual(["1"]);
    expect(server.asked).toBe(1);
    await clock.advance(30_000);
    expect(await ids("2")).toEqual(["2", "3"]);
    for (let n = 0; n < 100; n++) await ids(`made up ${n}`);
    expect(server.asked).toBe(2);
    await clock.advance(600_000);
    expect(await ids("3")).toEqual(["2", "3"]);
    expect(server.asked).toBe(3);
  });

  test("that are old are used where new ones cannot be fetched, and none at all is an internal error", async () => {
    const one = await pair("1");
    const server = await published(one.published);
    const clock = fakeClock();
    server.status = 500;
    const keys = new Keys({ jwks: server.url, clock });
    await expect(keys.with("1")).rejects.toThrow(
      "Cannot fetch keys: the response, with status 500, is not a key set",
    );
    await expect(keys.with("1")).rejects.toThrow(
      "Cannot check a token: no keys have been fetched from jwks yet",
    );
    server.status = 200;
    await clock.advance(30_000);
    expect(await keys.with("1")).toHaveLength(1);
    server.status = 500;
    await clock.advance(600_000);
    expect(await keys.with("1")).toHaveLength(1);
    await clock.advance(30_000);
    await expect(keys.with("2")).rejects.toThrow("Cannot fetch keys");
  });

  test("are waited for 5 s, and not beyond the end of the signal", async () => {
    const server = await published();
    server.hangs = true;
    const clock = fakeClock();
    const ending = new AbortController();
    const keys = new Keys({ jwks: server.url, clock, signal: ending.signal });
    const late = rejection(keys.with("1"));
    await clock.advance(5_000);
    expect(await late).toMatchObject({ message: "Cannot fetch keys: it took over 5000 ms" });
    await clock.advance(30_000);
    const ended = rejection(keys.with("1"));
    ending.abort(new Error("The end"));
    expect(await ended).toMatchObject({ message: "The end" });
    expect(clock.armed).toBe(0);
  });

  test("that cannot be fetched are an error 100 of the connect command, which is reported", async () => {
    const server = await published();
    server.status = 404;
    const here = wire();
    const peer = tokens({ jwks: server.url })();
    const client = here.client({ peer });
    const token = await signed({ sub: "ann" }, (await pair("1")).own as never);
    client.send({ id: 1, connect: { token } });
    await until(() => client.closed !== undefined);
    expect(client.received).toMatchObject([{ id: 1, error: { code: 100 } }]);
    expect(client.closed?.code).toBe(3004);
    expect(here.takeErrors()).toMatchObject([{ stage: "connect" }]);
  });
});

describe(`a stock client with tokens on ${runtime}`, () => {
  const inSeconds = (ms: number) => Math.ceil((Date.now() + ms) / 1000);

  test("that has expired gets a new one at error 109, and connects with it", async () => {
    const here = await site({ identity: tokens({ secret }) });
    let asked = 0;
    const client = dial(here.address(), {
      token: await signed({ sub: "ann", exp: inSeconds(-5_000) }),
      getToken: async () => {
        asked++;
        return signed({ sub: "ann", exp: inSeconds(60_000), channels: ["user:ann"] });
      },
    });
    const errors = heard<{ error: { code: number } }>(client, "error");
    const data = dataOf(client);
    await heard(client, "connected").until(1);
    await here.notifier.publish("user:ann", "hello");
    expect(await data.until(1)).toEqual(["hello"]);
    expect(errors.items.map(({ error }) => error.code)).toEqual([109]);
    expect(asked).toBe(1);
  });

  test("refreshes before the expiry, and stays connected", async () => {
    const here = await site({ identity: tokens({ secret }) });
    const refreshed = heardOnce();
    let asked = 0;
    const client = dial(here.address(), {
      getToken: async () => {
        if (++asked === 2) refreshed.resolve();
        return signed({ sub: "ann", exp: asked === 1 ? inSeconds(1_500) : inSeconds(60_000) });
      },
    });
    const connected = heard(client, "connected");
    const connecting = heard(client, "connecting");
    await connected.until(1);
    await refreshed.promise;
    // Commands are answered in order, so the refresh was answered before this one.
    await expect(client.rpc("none", {})).rejects.toMatchObject({ code: 108 });
    expect([connected.items.length, connecting.items.length, asked]).toEqual([1, 0, 2]);
  });

  test("reconnects when a refresh brings an expired token, and gets another", async () => {
    const here = await site({ identity: tokens({ secret }) });
    let asked = 0;
    const client = dial(here.address(), {
      getToken: async () =>
        signed({ sub: "ann", exp: [1_500, -5_000].map(inSeconds)[asked++] ?? inSeconds(60_000) }),
    });
    const connecting = heard<{ code: number }>(client, "connecting");
    const errors = heard<{ error: { code: number } }>(client, "error");
    await heard(client, "connected").until(2);
    expect(connecting.items.map(({ code }) => code)).toEqual([3005]);
    expect(errors.items.map(({ error }) => error.code)).toEqual([109]);
    expect(asked).toBe(3);
  });

  test("with an invalid token is disconnected for good", async () => {
    const here = await site({ identity: tokens({ secret }) });
    const client = dial(here.address(), { token: await signed({ sub: "ann" }, `${secret}!`) });
    const [disconnected] = await heard<{ code: number; reason: string }>(client, "disconnected").until(1);
    expect(disconnected).toMatchObject(invalid);
  });
});

function heardOnce(): { promise: Promise<void>; resolve(): void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
