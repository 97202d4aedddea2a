import { expect, test } from "vitest";
import { pub, wire } from "../../support/wire.ts";

/** Names of members that JavaScript objects inherit. */
const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];

test.each(names)("%s is a channel, a user and a method like any other", async (name) => {
  const here = wire({ rpc: Object.fromEntries([[name, (_: unknown, { data }: { data: unknown }) => data]]) });
  const peer = { user: name, channels: [name], authorize: () => true };
  const client = here.client({ peer });
  const { subs } = (await client.connect()) as { subs: Record<string, { epoch: string; offset: number }> };
  expect(Object.keys(subs)).toEqual([name]);
  const [{ epoch }] = Object.values(subs) as unknown as [{ epoch: string }];
  const receipt = await here.notifier.publish(name, { [name]: 1 }, { confirm: true });
  await here.clock.settle();
  expect(client.take()).toEqual([pub(name, 1, { [name]: 1 })]);
  // Written as JSON text, because `__proto__` in an object literal would set the prototype.
  client.send(`{"send":{"data":{"ack":{${JSON.stringify(name)}:{"offset":1,"epoch":"${epoch}"}}}}}`);
  expect(await receipt.delivered({ level: "acknowledged" })).toMatchObject({
    by: name,
    level: "acknowledged",
  });
  expect(await client.call("rpc", { method: name, data: 7 })).toEqual({ id: 2, rpc: { data: 7 } });
  expect(await client.call("rpc", { method: `${name}!` })).toMatchObject({ error: { code: 104 } });
  expect(await client.call("presence_stats", { channel: name })).toMatchObject({
    presence_stats: { num_clients: 1, num_users: 1 },
  });
  client.drop();
  await here.publish(name, 2);
  const again = here.client({ peer, answersClose: false });
  again.send(
    `{"id":1,"connect":{"subs":{${JSON.stringify(name)}:{"recover":true,"offset":1,"epoch":"${epoch}"}}}}`,
  );
  await here.clock.settle();
  const [reply] = again.take() as [{ connect: { subs: Record<string, { publications: unknown[] }> } }];
  expect(Object.entries(reply.connect.subs)).toMatchObject([
    [name, { recovered: true, publications: [{ data: 2 }] }],
  ]);
  again.stall();
  await here.publish(name, 3);
  const closed = here.notifier.close({ grace: 0 });
  await here.clock.advance(1);
  const [cut] = (await closed).cut;
  expect([cut?.user, Object.entries(cut?.channels ?? {})]).toEqual([name, [[name, { read: 1, top: 3 }]]]);
});
