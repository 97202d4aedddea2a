import { assertQuiet, type FakeClock, fakeClock, sharedLog } from "tocsin/testing";
import { describe, expect, test } from "vitest";
import type { Session } from "../../../src/model/socket.ts";
import { type Core, createCore, outcomeOf } from "../../support/core.ts";

/** A session over a stream at one node. */
interface Streamed {
  readonly session: Session;
  readonly sent: string[];
}

async function nodes(clock: FakeClock): Promise<{ one: Core; other: Core; kill(): void }> {
  const shared = sharedLog({ clock });
  const logs = [shared.open(), shared.open()] as const;
  const [one, other] = logs.map((log) => createCore({ clock, log })) as [Core, Core];
  for (const { notifier } of [one, other]) void notifier.closing;
  await clock.settle();
  return { one, other, kill: () => logs[0].kill() };
}

async function stream({ notifier, clock }: Core, secret: string): Promise<Streamed> {
  const sent: string[] = [];
  const send = (data: string | Uint8Array) => void sent.push(...(data as string).split("\n"));
  const session = notifier.accept({ secret, send, close() {} }, { user: "ann" });
  await notifier.post(secret, '{"id":1,"connect":{}}');
  await clock.settle();
  return { session, sent };
}

/** Closes all nodes at once: nothing may be left of any. */
async function end(...cores: readonly Core[]): Promise<void> {
  const closing = Promise.all(cores.map(({ notifier }) => notifier.close()));
  await cores[0]?.clock.advance(60_000);
  await closing;
  for (const { notifier } of cores) assertQuiet(notifier);
  expect(cores[0]?.clock.armed).toBe(0);
}

describe("a post that comes to another node than the stream", () => {
  test("reaches the node that it names, and is refused there if the secret is unknown", async () => {
    const clock = fakeClock();
    const { one, other } = await nodes(clock);
    const { session, sent } = await stream(one, "mine");
    const { node } = JSON.parse(sent[0] as string).connect;
    expect(node).toEqual(expect.any(String));
    const outcomes = [
      other.notifier.post("mine", '{"id":3,"ping":{}}', node),
      one.notifier.post("mine", '{"id":2,"ping":{}}', node),
      other.notifier.post("foreign", '{"id":4,"ping":{}}', node),
      other.notifier.post("mine", '{"id":4,"ping":{}}'),
      other.notifier.post("mine", '{"id":4,"ping":{}}', "no node"),
    ].map(outcomeOf);
    await clock.settle();
    expect(outcomes.map(({ value }) => value)).toEqual([true, true, false, false, false]);
    expect(sent.slice(1)).toEqual(['{"id":2,"ping":{}}', '{"id":3,"ping":{}}']);
    session.ended();
    await end(one, other);
  });

  test("is left in the log for a node that does not answer within a second", async () => {
    const clock = fakeClock();
    const { one, other, kill } = await nodes(clock);
    const { session, sent } = await stream(one, "mine");
    const { node } = JSON.parse(sent[0] as string).connect;
    kill();
    const outcome = outcomeOf(other.notifier.post("mine", '{"id":2,"ping":{}}', node));
    await clock.advance(999);
    expect(outcome.state).toBe("pending");
    await clock.advance(1);
    expect(outcome.value).toBe(true);
    session.ended();
    await end(one, other);
  });

  test("goes on to do so while the node of the stream closes, which proves that the client has read", async () => {
    const clock = fakeClock();
    const { one, other } = await nodes(clock);
    const { session, sent } = await stream(one, "mine");
    const { node } = JSON.parse(sent[0] as string).connect;
    const report = one.notifier.close();
    await clock.settle();
    expect(sent.at(-1)).toBe("{}");
    const outcome = outcomeOf(other.notifier.post("mine", "{}", node));
    await clock.settle();
    expect([outcome.value, session.isOpen]).toEqual([true, false]);
    session.ended();
    await end(one, other);
    expect((await report).sessions).toEqual({ closed: 1, cut: 0 });
  });
});
