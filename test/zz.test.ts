import { expect, test } from "vitest";
import { anybody, wire, range } from "./fixtures/wire.ts";
test("a subscribe is answered while publications come faster than the log is read", async () => {
  const { clock, client: connect, log, notifier } = wire();
  const client = connect();
  await client.connect();
  log.hold();
  client.send({ id: 7, subscribe: { channel: "news" } });
  for (const n of range(1, 10)) {
    await clock.settle();
    void notifier.publish("news", n);
    log.open();
    log.hold();
  }
  await clock.settle();
  expect(client.received).toMatchObject([{ id: 7, subscribe: {} }]);
});
test("stale", async () => {
  const { clock, client: connect, log } = wire();
  const client = connect({ peer: { ...anybody, channels: ["a"] } });
  log.hold();
  client.send({ id: 1, connect: {} });
  await clock.advance(10_000);
  expect(client.received).toEqual([{ id: 1, error: { code: 100, message: "internal server error", temporary: true } }]);
  expect(client.closed).toEqual({ code: 3004, reason: "internal server error" });
});
test("sub hung", async () => {
  const { clock, client: connect, log } = wire();
  const client = connect({ peer: { ...anybody } });
  await client.connect();
  log.hold();
  client.send({ id: 2, subscribe: {channel: "a"} }, { id: 3, ping: {} });
  await clock.advance(100_000);
  expect(client.received).toEqual([{ id: 1, error: { code: 100, message: "internal server error", temporary: true } }]);
});
test("drop while reads", async () => {
  const { clock, client: connect, log, notifier } = wire();
  const client = connect({ peer: { ...anybody } });
  await client.connect();
  log.hold();
  client.send({ id: 2, subscribe: {channel: "a"} }, { id: 3, ping: {} });
  await clock.settle();
  client.drop();
  log.open();
  await clock.settle();
  expect(notifier.inspect()).toEqual([]);
  expect(notifier.stats()).toMatchObject({ channels: 0, sessions: 0, waits: 0, tasks: 0 });
});
test("deep", async () => {
  const { clock, client: connect, takeErrors, notifier } = wire();
  const client = connect({ peer: { ...anybody } });
  await client.connect();
  client.send(`{"id":2,"publish":{"channel":"a","data":${"[".repeat(30000)}${"]".repeat(30000)}}}`);
  await clock.settle();
  console.log(JSON.stringify(client.received), JSON.stringify(takeErrors()));
});
test("nan", async () => {
  const { clock, client: connect } = wire();
  const client = connect({ peer: { ...anybody, expires: Number.NaN } });
  await clock.advance(20_000);
  expect(client.closed?.code).toBe(3502);
});
