import type { WSContext, WSEvents } from "hono/ws";
import { expect, test } from "vitest";
import { guard } from "../../src/hosts/guard.ts";

/** Sends more than 4 000 messages for more than 50 ms without a turn of the event loop, and then one more. */
function flood(events: WSEvents) {
  const errors: string[] = [];
  const state = { sent: 0, cuts: 0 };
  const guarded = guard(events, (error) => void errors.push(String(error)));
  const raw = { terminate: () => void state.cuts++ };
  let began = Number.POSITIVE_INFINITY;
  const send = () => {
    // The guard starts to measure a little earlier.
    if (state.sent === 100) began = performance.now();
    guarded.onMessage(new MessageEvent("message", { data: "x" }), { raw } as unknown as WSContext);
    state.sent++;
  };
  while (state.sent < 5_000 || performance.now() - began < 100) send();
  // The machine may have stalled during the last message, after the guard had read its clock.
  send();
  return { ...state, errors };
}

test("a peer that blocks the event loop is cut, and the server reports it once", () => {
  let handled = 0;
  const { sent, cuts, errors } = flood({ onMessage: () => void handled++ });
  expect(handled).toBeGreaterThanOrEqual(4_000);
  expect([handled + cuts, cuts > 0]).toEqual([sent, true]);
  const what = "it sent over 4000 messages, and nothing else had its turn for 50 ms";
  expect(errors).toEqual([`Error: Cut a WebSocket: ${what}`]);
});

test("a peer whose handlers limit it is cut only once they take nothing more, without a report", () => {
  let handled = 0;
  const events = { onMessage: () => void handled++, takes: () => true };
  expect(flood(events)).toMatchObject({ sent: handled, cuts: 0, errors: [] });
  handled = 0;
  const over = { onMessage: () => void handled++, takes: () => false };
  const { sent, cuts, errors } = flood(over);
  expect([handled + cuts, cuts > 0, errors]).toEqual([sent, true, []]);
});
