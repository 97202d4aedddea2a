import { describe, expect } from "vitest";
import { outcomeOf } from "../support/core.ts";
import { type Ends, type EndsOptions, type FakeClock, read, test } from "../support/dial.ts";
import type { Line, Network } from "../support/network.ts";

const ping = '{"id":4294967295,"ping":{}}';

/** A day, so that the notifier's own pings play no part. */
const heartbeat = 86_400_000;

/** Opens both ends. The connect reply has no `ping`. */
async function openWithoutPing(
  open: (options?: EndsOptions) => Ends,
  { pings = "by client to host", ...options }: EndsOptions & { pings?: Network["pings"] } = {},
): Promise<Ends> {
  const ends = open({ heartbeat, ...options });
  ends.network.pings = pings;
  await ends.clock.settle();
  return ends;
}

function pingsIn({ texts }: Line): number {
  return texts.filter((text) => text === ping).length;
}

/** A clock whose timers fire once a minute only, as in a browser's hidden tab. */
function slowedDown(clock: FakeClock): Pick<FakeClock, "timer" | "random"> {
  const minute = 60_000;
  return {
    random: clock.random,
    timer: (ms, fire) => clock.timer(Math.ceil((clock.now() + ms) / minute) * minute - clock.now(), fire),
  };
}

describe("a client whose server sends no pings", () => {
  test.for(["by client to host", "by client to notifier"] as const)(
    "sends the same ping every 25 s, and stays connected as long as it is answered: %s",
    async (pings, { open }) => {
      const { client, clock, network, statuses } = await openWithoutPing(open, { pings });
      await clock.advance(24_999);
      expect(pingsIn(network.last)).toBe(0);
      await clock.advance(1);
      expect(pingsIn(network.last)).toBe(1);
      await clock.advance(575_000);
      expect([client.status, statuses.length, pingsIn(network.last)]).toEqual(["connected", 2, 24]);
      expect(network.last.received.slice(1)).toEqual(Array(24).fill(JSON.parse(ping)));
    },
  );

  test("gives the connection up 10 s after a ping that is not answered, and connects again", async ({
    open,
  }) => {
    const { client, clock, network, statuses } = await openWithoutPing(open);
    network.last.cut();
    await clock.advance(34_999);
    expect(client.status).toBe("connected");
    await clock.advance(1);
    expect(statuses.slice(2)).toEqual([["waiting", 3012]]);
    await clock.advance(1_000);
    expect([client.status, network.lines.length, network.open]).toEqual(["connected", 2, 1]);
  });

  test.for([{}, { ping: 0 }])(
    "takes any message for an answer: connect result %j",
    async (connect, { open }) => {
      const { clock, network, statuses } = open();
      network.mode = "mute";
      await clock.settle();
      network.say({ id: 1, connect });
      await clock.advance(34_999);
      network.say({ push: { channel: "none", pub: {} } });
      await clock.advance(34_999);
      expect([statuses, pingsIn(network.last)]).toEqual([["connecting", "connected"], 2]);
      await clock.advance(1);
      expect(statuses.slice(2)).toEqual([["waiting", 3012]]);
    },
  );

  test("sends its pings also while it receives publications", async ({ open }) => {
    const { client, clock, network, notifier } = await openWithoutPing(open);
    const reader = read(client.follow("news"));
    for (let count = 0; count < 100; count++) {
      await clock.advance(1_000);
      await notifier.publish("news", count);
    }
    await clock.settle();
    expect([reader.got.length, pingsIn(network.last)]).toEqual([100, 4]);
  });

  test("goes on waiting for a call while its pings are answered", async ({ open }) => {
    let release = (answer: unknown): void => void answer;
    const rpc = { hang: () => new Promise((resolve) => (release = resolve)) };
    const limits = { answer: 3_600_000 };
    const { client, clock, network, statuses } = await openWithoutPing(open, { rpc, limits });
    const call = outcomeOf(client.rpc("hang"));
    await clock.advance(60_000);
    expect([call.state, pingsIn(network.last), statuses.length]).toEqual(["pending", 2, 2]);
    release("done");
    await clock.settle();
    expect(call.value).toBe("done");
  });

  test("stays connected where its timers fire once a minute only", async ({ open }) => {
    const { clock, dial, network } = await openWithoutPing(open);
    const hidden = dial({ clock: slowedDown(clock) });
    await clock.advance(600_000);
    expect([hidden.status, network.lines.length, pingsIn(network.last)]).toEqual(["connected", 2, 10]);
  });

  test("leaves no timer behind when it is closed", async ({ open }) => {
    const { clock, dial } = await openWithoutPing(open);
    await clock.advance(30_000);
    const { armed } = clock;
    const other = dial();
    await clock.advance(26_000);
    const closed = outcomeOf(other.close());
    await clock.settle();
    expect([closed.state, clock.armed]).toEqual(["fulfilled", armed]);
  });

  test("sends no pings any more once it is connected to a server that does", async ({ open }) => {
    const { client, clock, network } = await openWithoutPing(open);
    await clock.advance(30_000);
    network.pings = "by notifier";
    network.last.drop();
    await clock.advance(600_000);
    expect([client.status, network.lines.map(pingsIn)]).toEqual(["connected", [1, 0]]);
  });
});

test("A client whose server sends pings sends none of its own", async ({ open }) => {
  const { client, clock, network } = open();
  await clock.advance(600_000);
  expect([client.status, network.lines.map(pingsIn)]).toEqual(["connected", [0]]);
});

test("A client says which it is when it connects", async ({ open }) => {
  const { clock, network } = open();
  await clock.settle();
  expect(network.last.texts[0]).toBe('{"id":1,"connect":{"name":"tocsin"}}');
});
