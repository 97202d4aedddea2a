import type { Centrifuge, PublicationContext } from "centrifuge";
import { describe, expect } from "vitest";
import { EventSource } from "../../support/event-source.ts";
import { type Relay, relay } from "../../support/relay.ts";
import { dataOf, heard, type Transport, websocket } from "../../support/stock-client.ts";
import { type Encoding, encodings, stockClients } from "../../support/stock-protobuf.ts";
import { errors, range } from "../expected.ts";
import type { PeerTest, Query, Site } from "../site.ts";
import type { Given } from "../suite.ts";

type Options = NonNullable<ConstructorParameters<typeof Centrifuge>[1]>;

/** An error as the stock client shows it. */
const shown = (code: keyof typeof errors) => ({ temporary: false, ...errors[code] });

/** Connects a stock client, through a relay if one is given. */
export function dial(
  here: Site,
  query: Query = {},
  options: Options = {},
  through?: Relay,
  encoding: Encoding = "JSON",
): Centrifuge {
  const address = new URL(here.address(query));
  if (through !== undefined) address.port = new URL(through.url).port;
  const delays = { minReconnectDelay: 5, maxReconnectDelay: 20 };
  const ways = { websocket, eventsource: EventSource, ...emulationAt(address) };
  const client = new stockClients[encoding](endpointAt(address, here.transport), {
    ...ways,
    ...delays,
    ...options,
  });
  here.finally(() => client.disconnect());
  client.connect();
  return client;
}

/** Returns where the stock client connects to, if the address is that of the WebSocket. */
function endpointAt(address: URL, transport: Transport): ConstructorParameters<typeof Centrifuge>[0] {
  if (transport === "websocket") return String(address);
  return [{ transport, endpoint: String(beside(address, transport)) }];
}

function emulationAt(address: URL): Pick<Options, "emulationEndpoint"> {
  return { emulationEndpoint: String(beside(address, "emulation")) };
}

function beside(address: URL, name: string): URL {
  const url = new URL(name, String(address).replace(/^ws/, "http"));
  url.search = address.search;
  return url;
}

/** Connects a client that subscribes to "news" itself. */
async function reader(here: Site, query: Query, through: Relay | undefined, encoding: Encoding) {
  const client = dial(here, query, {}, through, encoding);
  const subscription = client.newSubscription("news", { minResubscribeDelay: 5, maxResubscribeDelay: 20 });
  const data = dataOf(subscription);
  const subscribed = heard<{ wasRecovering: boolean; recovered: boolean }>(subscription, "subscribed");
  subscription.subscribe();
  await subscribed.until(1);
  return { client, subscription, data, subscribed };
}

const stockIn = (encoding: Encoding) => ({
  dial: (here: Site, query?: Query, through?: Relay) => dial(here, query, {}, through, encoding),
  reader: (here: Site, query: Query = {}, through?: Relay) => reader(here, query, through, encoding),
});

/** Opens a way to the server that can be cut, for one test. */
async function wayTo(here: Site): Promise<Relay> {
  const way = await relay(`http://127.0.0.1:${here.port}`);
  here.finally(() => way.destroy());
  return way;
}

/** The stock client of the protocol. */
export function stock(test: PeerTest, { transport }: Given): void {
  // Streams are in JSON only.
  describe.each(transport === "websocket" ? encodings : (["JSON"] as const))(
    "the stock client in %s",
    (encoding) => {
      commands(test, encoding);
      reconnecting(test, encoding);
    },
  );
}

function commands(test: PeerTest, encoding: Encoding): void {
  const { dial, reader } = stockIn(encoding);

  test("connects, subscribes at the same time, and receives every publication", async ({ site }) => {
    const here = site();
    const client = dial(here);
    const subscription = client.newSubscription("news");
    const subscribed = heard(subscription, "subscribed");
    const publications = heard<PublicationContext>(subscription, "publication");
    subscription.subscribe();
    await subscribed.until(1);
    const list = [{ text: "é😀" }];
    await here.control.publish({ channel: "news", list, options: { tags: { kind: "x" } } });
    await here.publish("news", null);
    expect(await publications.until(2)).toEqual([
      { channel: "news", data: { text: "é😀" }, offset: 1, tags: { kind: "x" } },
      { channel: "news", data: null, offset: 2 },
    ]);
    expect(subscribed.items).toEqual([
      {
        channel: "news",
        positioned: true,
        recoverable: true,
        wasRecovering: false,
        recovered: false,
        hasRecoveredPublications: false,
        streamPosition: { offset: 0, epoch: await here.epoch("news") },
      },
    ]);
  });

  test("reads history and presence", async ({ site }) => {
    const here = site();
    const { client, subscription } = await reader(here, { info: '{"name":"A"}' });
    await here.publish("news", 1, 2, 3, 4, 5);
    const epoch = await here.epoch("news");
    expect(await subscription.history({})).toEqual({ publications: [], offset: 5, epoch });
    const since = { offset: 3, epoch };
    const later = await client.history("news", { limit: 10, since });
    expect(later.publications.map(({ offset }) => offset)).toEqual([4, 5]);
    const newest = await client.history("news", { limit: 3, reverse: true });
    expect(newest.publications.map(({ offset }) => offset)).toEqual([5, 4, 3]);
    const foreign = client.history("news", { limit: 1, since: { offset: 1, epoch: "other" } });
    await expect(foreign).rejects.toEqual(shown(112));
    const { clients } = await subscription.presence();
    expect(Object.values(clients)).toMatchObject([{ user: "ann", connInfo: { name: "A" } }]);
    expect(await client.presenceStats("news")).toEqual({ numClients: 1, numUsers: 1 });
  });

  test("hears who joins and who leaves", async ({ site }) => {
    const here = site();
    const ann = dial(here).newSubscription("room", { joinLeave: true });
    const [joins, leaves] = [heard<{ info: { user: string } }>(ann, "join"), heard(ann, "leave")];
    ann.subscribe();
    await joins.until(1);
    const bob = dial(here, { user: "bob" });
    bob.newSubscription("room").subscribe();
    expect((await joins.until(2)).map(({ info }) => info.user)).toEqual(["ann", "bob"]);
    bob.disconnect();
    expect(await leaves.until(1)).toMatchObject([{ channel: "room", info: { user: "bob" } }]);
  });

  test("calls methods, acknowledges by rpc, publishes, and sends data without a reply", async ({ site }) => {
    const here = site();
    const { client, data } = await reader(here);
    expect(await client.rpc("echo", 21)).toEqual({ data: 21 });
    await expect(client.rpc("throws", {})).rejects.toEqual(errors[100]);
    await expect(client.rpc("other", {})).rejects.toEqual(shown(104));
    expect(await here.take("error", 1)).toEqual([{ stage: "rpc", message: "thrown" }]);
    await client.publish("news", { x: 1 });
    expect(await data.until(1)).toEqual([{ x: 1 }]);
    await expect(client.publish("read:a", 1)).rejects.toEqual(shown(103));
    const ack = { news: { offset: 1, epoch: await here.epoch("news") } };
    expect(await client.rpc("ack", { ack })).toEqual({ data: undefined });
    await client.send({ hello: 1 });
    expect(await here.take("sent", 1)).toEqual([{ user: "ann", data: { hello: 1 } }]);
  });

  test("has a confirmed publication acknowledged by rpc", async ({ site }) => {
    const here = site();
    const { client, data } = await reader(here);
    await client.rpc("ack", { ack: {} });
    await here.control.publish({ channel: "news", list: ["text"], options: { confirm: true } });
    const delivered = here.control.delivered({ channel: "news", offset: 1 });
    await data.until(1);
    await client.rpc("ack", { ack: { news: { offset: 1, epoch: await here.epoch("news") } } });
    expect(await delivered).toEqual({ level: "acknowledged", by: "ann" });
  });

  test("is refused a subscription for good, and stays connected", async ({ site }) => {
    const here = site();
    const client = dial(here, { channels: "mine" });
    const publications = heard<PublicationContext>(client, "publication");
    const subscription = client.newSubscription("private:a");
    const unsubscribed = heard(subscription, "unsubscribed");
    subscription.subscribe();
    expect(await unsubscribed.until(1)).toMatchObject([{ channel: "private:a", code: 103 }]);
    await here.publish("private:a", 1);
    await here.publish("mine", 2);
    expect((await publications.until(1)).map(({ data }) => data)).toEqual([2]);
  });

  test("is disconnected for good, and does not come back to what it was unsubscribed from", async ({
    site,
  }) => {
    const here = site();
    const { client, subscription } = await reader(here);
    const unsubscribed = heard(subscription, "unsubscribed");
    const disconnected = heard(client, "disconnected");
    await here.control.unsubscribe({ user: "ann", channel: "news" });
    expect(await unsubscribed.until(1)).toEqual([
      { channel: "news", code: 2000, reason: "server unsubscribed" },
    ]);
    expect(await client.presenceStats("news")).toEqual({ numClients: 0, numUsers: 0 });
    await here.control.disconnect({ who: { user: "ann" } });
    expect(await disconnected.until(1)).toEqual([{ code: 3503, reason: "force disconnect" }]);
  });

  test("waits to come back when the notifier closes", async ({ site }) => {
    const here = site();
    const { client } = await reader(here);
    const connecting = heard(client, "connecting");
    const { report } = await here.control.close({});
    expect(await connecting.until(1)).toEqual([{ code: 3001, reason: "shutdown" }]);
    expect([client.state, report.sessions]).toEqual(["connecting", { closed: 1, cut: 0 }]);
    client.disconnect();
    await here.control.take({ kind: "refused", count: 0 });
  });
}

function reconnecting(test: PeerTest, encoding: Encoding): void {
  const { dial, reader } = stockIn(encoding);

  test.for(["3011", "cut"])(
    "recovers everything it missed after its connection ended (%s)",
    async (how, { site }) => {
      const here = site();
      const way = await wayTo(here);
      const { client, data, subscribed } = await reader(here, {}, way);
      await here.publish("news", 1, 2, 3);
      await data.until(3);
      const connecting = heard<{ code: number }>(client, "connecting");
      if (how === "cut") way.cut();
      else await here.control.disconnect({ who: { user: "ann" }, code: 3011 });
      await connecting.until(1);
      way.cut();
      for (const n of range(0, 19)) await here.publish("news", ...range(10 * n + 4, 10 * n + 13));
      way.mend();
      await subscribed.until(2);
      await here.publish("news", 204);
      expect(await data.until(204)).toEqual(range(1, 204));
      expect(subscribed.items[1]).toMatchObject({ wasRecovering: true, recovered: true });
      // Without a close frame the stock client reports a code of its own.
      expect(connecting.items[0]?.code).toBe(how === "cut" ? 1 : 3011);
    },
  );

  test("recovers each of the server's subscriptions after a cut", async ({ site }) => {
    const here = site();
    const way = await wayTo(here);
    const client = dial(here, { channels: "mine,ours" }, way);
    const subscribed = heard<{ channel: string; recovered: boolean }>(client, "subscribed");
    const publications = heard<PublicationContext>(client, "publication");
    await subscribed.until(2);
    await here.publish("mine", 1);
    await publications.until(1);
    const connecting = heard(client, "connecting");
    way.cut();
    await connecting.until(1);
    await here.publish("mine", 2, 3);
    await here.publish("ours", "a");
    way.mend();
    await subscribed.until(4);
    await here.publish("ours", "b");
    await publications.until(5);
    const of = (channel: string) =>
      publications.items.filter((each) => each.channel === channel).map(({ data }) => data);
    expect([of("mine"), of("ours")]).toEqual([
      [1, 2, 3],
      ["a", "b"],
    ]);
  });

  test("is told that it was not recovered when what it missed is gone, and goes on", async ({ site }) => {
    const here = site("short");
    const way = await wayTo(here);
    const { client, data, subscribed } = await reader(here, {}, way);
    await here.publish("news", 1);
    await data.until(1);
    const connecting = heard(client, "connecting");
    way.cut();
    await connecting.until(1);
    for (const n of range(2, 20)) await here.publish("news", n);
    way.mend();
    await subscribed.until(2);
    await here.publish("news", 21);
    expect(await data.until(2)).toEqual([1, 21]);
    expect(subscribed.items[1]).toMatchObject({
      ...{ wasRecovering: true, recovered: false, streamPosition: { offset: 20 } },
    });
  });

  test("misses nothing and gets nothing twice over five cuts while others publish", async ({ site }) => {
    const here = site();
    const way = await wayTo(here);
    const { data, subscribed } = await reader(here, {}, way);
    for (const round of range(0, 4)) {
      await subscribed.until(round + 1);
      const first = round * 20 + 1;
      await here.publish("news", ...range(first, first + 9));
      way.cut();
      way.mend();
      for (const n of range(first + 10, first + 19)) await here.publish("news", n);
    }
    expect(await data.until(100)).toEqual(range(1, 100));
    expect(subscribed.items.slice(1).every(({ recovered }) => recovered)).toBe(true);
  });
}
