import { ClosedError } from "../model/errors.ts";
import type { AppendOptions } from "../model/log.ts";
import {
  append,
  dataOf,
  failure,
  isSame,
  type LogTests,
  reads,
  same,
  type TestedLog,
  turn,
} from "./log-suite-tools.ts";

/** What an aborted signal does, and what a log does after its disposal. */
export const endTests: LogTests = {
  async "an aborted signal rejects with its reason itself, and nothing is done"(log, channel) {
    const reason = { why: "changed my mind" };
    const signal = AbortSignal.abort(reason);
    isSame(await failure(append(log, channel, "1", { signal })), reason);
    isSame(await failure(log.read(channel, { signal })), reason);
    same((await append(log, channel, "2")).offset, 1);
    same(dataOf(await log.read(channel, {})), ["2"]);
  },

  async "a signal aborted on the way rejects with its reason itself, or comes too late"(log, channel) {
    const reason = new Error("stopped");
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [append(log, channel, "1", { signal }), log.read(channel, { signal })];
    controller.abort(reason);
    for (const { status, ...settled } of await Promise.allSettled(calls)) {
      if (status === "rejected" && "reason" in settled) isSame(settled.reason, reason);
    }
  },

  async "an append that rejects was not made"(log, channel) {
    for (const [place, abortion] of abortions.entries()) {
      const name = `${channel} ${place}`;
      const made = await appendAborted(log, name, abortion);
      await reads(log, name, undefined, made ? ["1"] : []);
    }
  },

  async "an append that rejects and is sent again with the same once is made once"(log, channel) {
    const once = { by: "writer", n: 1 };
    for (const [place, abortion] of abortions.entries()) {
      const name = `${channel} ${place}`;
      await appendAborted(log, name, abortion, { once });
      same((await append(log, name, "1", { once })).offset, 1);
      await reads(log, name, undefined, ["1"]);
    }
  },

  async "a disposed log rejects with a ClosedError, and wakes nobody"(log, channel) {
    let wakes = 0;
    const watch = await log.watch(channel, () => wakes++);
    await log[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    const calls = [append(log, channel, "1"), log.read(channel, {}), log.watch(channel, () => {})];
    const thrown = await Promise.all(calls.map(failure));
    same(
      thrown.map((each) => each instanceof ClosedError || String(each)),
      [true, true, true],
    );
    await watch[Symbol.asyncDispose]();
    same(wakes, 0);
  },
};

/** When the signal aborts: this many microtasks after the append, a turn later, or when the append wakes. */
type Abortion = number | "a turn later" | "by the wake";
const abortions: readonly Abortion[] = [0, 1, 2, 3, 5, 10, "a turn later", "by the wake"];

/**
 * Appends "1" with a signal that aborts meanwhile. Returns whether the append was made. If it rejects, checks that the
 * reason is that of the signal.
 */
async function appendAborted(
  log: TestedLog,
  channel: string,
  abortion: Abortion,
  options?: Partial<AppendOptions>,
): Promise<boolean> {
  const reason = new Error("stopped");
  const controller = new AbortController();
  const abort = (): void => controller.abort(reason);
  const watch = await log.watch(channel, () => abortion === "by the wake" && abort());
  const failed = failure(append(log, channel, "1", { ...options, signal: controller.signal }));
  if (abortion === "a turn later") await turn();
  for (let steps = 0; typeof abortion === "number" && steps < abortion; steps++) await undefined;
  if (abortion !== "by the wake") abort();
  const error = await failed;
  if (error !== undefined) isSame(error, reason);
  await watch[Symbol.asyncDispose]();
  return error === undefined;
}
