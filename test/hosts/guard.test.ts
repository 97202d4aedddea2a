import type { WSContext, WSEvents } from "hono/ws";
import { expect, test } from "vitest";
import { guard } from "../../src/hosts/guard.ts";

/** Sends messages, without a turn in between, until over 50 ms have passed and there were over 4 000, and one more. */
function flood(events: WSEvents) {
  const errors: string[] = [];
  const state = { sent: 0, cuts: 0 };
  const guarded = guard(events, (error) => void errors.push(String(error)));
  const raw = { terminate: () => void state.cuts++ };
  let began = Number.POSITIVE_INFINITY;
  const send = () => {
    // The guard itself begins to look a little before.
    if (state.sent === 100) began = performance.now();
    guarded.onMessage(new MessageEvent("message", { data: "x" }), { raw } as unknown as WSContext);
    state.sent++;
  };
  while (state.sent < 5_000 || performance.now() - began < 100) send();
  // The machine may have stalled in the last of them, after the guard had looked at its clock.
  send();
  return { ...state, errors };
}

test("a peer that keeps everything else from its turn is cut, and the server is told once", () => {
  let heard = 0;
  const { sent, cuts, errors } = flood({ onMessage: () => void heard++ });
  expect(heard).toBeGreaterThanOrEqual(4_000);
  expect([heard + cuts, cuts > 0]).toEqual([sent, true]);
  const what = "it sent over 4000 messages, and nothing else had its turn for 50 ms";
  expect(errors).toEqual([`Error: Cut a WebSocket: ${what}`]);
});

test("one whose handlers bound what it sends is cut only once they take nothing more, which is known", () => {
  let heard = 0;
  const events = { onMessage: () => void heard++, takes: () => true };
  expect(flood(events)).toMatchObject({ sent: heard, cuts: 0, errors: [] });
  heard = 0;
  const over = { onMessage: () => void heard++, takes: () => false };
  const { sent, cuts, errors } = flood(over);
  expect([heard + cuts, cuts > 0, errors]).toEqual([sent, true, []]);
});
