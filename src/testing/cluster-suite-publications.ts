import { createTickets, type Tickets } from "../access/tickets.ts";
import type { ClusterTests } from "./cluster-suite-tools.ts";
import { offsetsOf, same } from "./log-suite-tools.ts";

/** What is published on one node, and received, repeated and redeemed on others. */
export const publicationTests: ClusterTests = {
  async "a publication of one node reaches the subscribers of all, in order and once"({ startAll, until }) {
    const nodes = await startAll(3);
    const clients = nodes.map((node, at) => node.connect(`user ${at}`, { news: undefined }));
    const sent: string[] = [];
    const publish = (at: number): void => {
      const data = `${at} ${sent.length}`;
      sent.push(data);
      void nodes[at]?.notifier.publish("news", data);
    };
    const haveAll = async (): Promise<void> => {
      for (const client of clients) await until(() => same(client.of("news").length, sent.length));
    };
    for (const at of nodes.keys()) {
      for (let count = 0; count < 3; count++) publish(at);
      await haveAll();
    }
    for (let count = 0; count < 10; count++) for (const at of nodes.keys()) publish(at);
    await haveAll();
    for (const client of clients) {
      same(client.of("news"), clients[0]?.of("news"));
      same(
        offsetsOf(client.of("news")),
        sent.map((_, index) => index + 1),
      );
      for (const at of nodes.keys()) {
        const isOwn = (data: unknown): boolean => String(data).startsWith(`${at} `);
        const received = client.of("news").map(({ data }) => data);
        same(received.filter(isOwn), sent.filter(isOwn));
      }
      same(client.failures, []);
    }
  },

  async "a client that comes back to another node gets what it has missed, and nothing twice"(cluster) {
    const { until, of, startAll } = cluster;
    const [one, two] = await startAll(2);
    const client = one.connect("ann", { news: undefined });
    await of(one.notifier.publish("news", 1));
    await until(() => same(client.of("news").length, 1));
    await one.kill();
    await of(two.notifier.publish("news", 2));
    const back = two.connect("ann", { news: client.of("news").at(-1) });
    await of(two.notifier.publish("news", 3));
    await until(() => same(back.of("news").length, 2));
    same(
      back.of("news").map(({ data }) => data),
      [2, 3],
    );
    same(back.failures, []);
  },

  async "all nodes have the same history, and follow it from any position"({ startAll, of, until }) {
    const [one, two, three] = await startAll(3);
    const { position } = await of(one.notifier.publish("news", 1));
    await of(two.notifier.publish("news", 2));
    for (const { notifier } of [one, two, three]) {
      const { publications } = await of(notifier.history("news", { after: position }));
      same(
        publications.map(({ data }) => data),
        [2],
      );
    }
    const controller = new AbortController();
    const got: unknown[] = [];
    const following = (async () => {
      const { signal } = controller;
      for await (const { data } of three.notifier.follow("news", { after: position, signal })) got.push(data);
    })().catch((error: unknown) => error);
    await of(one.notifier.publish("news", 3));
    await until(() => same(got, [2, 3]));
    controller.abort("enough");
    same(await of(following), "enough");
  },

  async "an idempotency key that is used on several nodes publishes once"({ startAll, of }) {
    const nodes = await startAll(3);
    const publish = () =>
      nodes.map(({ notifier }, at) => of(notifier.publish("news", at, { idempotencyKey: "order 7" })));
    const receipts = [...(await Promise.all(publish())), ...(await Promise.all(publish()))];
    same(new Set(receipts.map(({ position: { epoch, offset } }) => `${epoch} ${offset}`)).size, 1);
    same((await of(nodes[0].notifier.history("news"))).publications.length, 1);
  },

  async "a ticket that one node has issued is redeemed once, on any node"({ startAll, ofReal }) {
    const nodes = await startAll(3);
    const [one, ...others] = nodes.map(({ log }) => createTickets({ log, ttl: 600_000 })) as [
      Tickets,
      Tickets,
      Tickets,
    ];
    const ticket = await ofReal(one.issue({ user: "ann" }));
    const context = { req: { query: () => ticket } } as unknown as Parameters<Tickets["redeem"]>[0];
    const redeemed = await ofReal(Promise.all(others.map((tickets) => tickets.redeem(context))));
    const users = redeemed.flatMap((identity) => (identity === null ? [] : [identity.user]));
    same(users, ["ann"]);
    same(await ofReal(one.redeem(context)), null);
  },

  async "a node closes while others go on: its clients are told, and nobody else notices"({
    startAll,
    of,
    until,
  }) {
    const [one, two, three] = await startAll(3);
    const [leaving, staying] = [
      one.connect("ann", { news: undefined }),
      two.connect("bob", { news: undefined }),
    ];
    await of(one.notifier.publish("news", 1));
    const report = await of(one.close());
    same([report.sessions, report.undelivered], [{ closed: 1, cut: 0 }, []]);
    same(leaving.pipe.closed?.code, 3001);
    await of(three.notifier.publish("news", 2));
    await until(() => same(staying.of("news").length, 2));
    same([staying.pipe.closed, staying.failures], [undefined, []]);
  },
};
