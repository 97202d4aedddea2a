import { describe, expect } from "vitest";
import { offsetsIn, rawSocket, test } from "../../support/core.ts";

describe("limits.cache", () => {
  for (const [what, limits, cached] of [
    ["keeps publications for those who are behind, below it", {}, true],
    ["keeps none for them above it, and they are sent what the log holds", { cache: 1 }, false],
  ] as const) {
    test(what, async ({ start }) => {
      const { notifier, clock } = start({ window: 1_000, limits });
      const client = rawSocket(notifier);
      client.session.receive('{"id":1,"connect":{}}');
      client.session.receive('{"id":2,"subscribe":{"channel":"news"}}');
      await clock.settle();
      for (let n = 0; n < 5; n++) {
        await notifier.publish("news", "x".repeat(600));
        await clock.settle();
      }
      expect(notifier.totals().bytes.cache > 0).toBe(cached);
      for (let pongs = 0; pongs < 6; pongs++) {
        if (client.lines.filter((line) => line === "{}").length > pongs) client.pong();
        await clock.settle();
      }
      const messages = client.lines.filter((line) => line !== "{}").map((line) => JSON.parse(line));
      expect(offsetsIn(messages, "news")).toEqual([1, 2, 3, 4, 5]);
      client.session.ended();
    });
  }
});
