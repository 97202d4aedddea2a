import type { Slice } from "../model/log.ts";
import { append, dataOf, type LogTests, none, numbers, reads, same } from "./log-suite-tools.ts";

/** Which watchers an append wakes. */
export const wakeTests: LogTests = {
  async "every append wakes, from the moment a watch is there"(log, channel, tools) {
    const bell = tools.bell();
    const watch = await log.watch(channel, bell.ring);
    for (let count = 0; count < 3; count++) {
      await Promise.all([bell.next(), append(log, channel, "1")]);
    }
    await watch[Symbol.asyncDispose]();
  },

  async "appends to several channels at once wake those who watch each"(log, channel, tools) {
    const names = numbers(1, 4).map((number) => `${channel} ${number}`);
    const bells = names.map(() => tools.bell());
    const watches = await Promise.all(names.map((name, at) => log.watch(name, () => bells[at]?.ring())));
    for (const order of [names, names.toReversed(), [...names, ...names]]) {
      const heard = bells.map((bell) => bell.next());
      await Promise.all([...heard, ...order.map((name) => append(log, name, "1"))]);
    }
    for (const watch of watches) await watch[Symbol.asyncDispose]();
  },

  async "what woke can be read"(log, channel, tools) {
    let read: Promise<Slice> | undefined;
    const bell = tools.bell();
    const watch = await log.watch(channel, () => {
      read ??= log.read(channel, {});
      bell.ring();
    });
    await Promise.all([bell.next(), append(log, channel, '"here"')]);
    same(read && dataOf(await read), ['"here"']);
    await watch[Symbol.asyncDispose]();
  },

  async "every watch of a channel wakes, and one that throws harms nobody"(log, channel, tools) {
    const bells = [tools.bell(), tools.bell()];
    const [first, second] = bells;
    const watches = [
      await log.watch(channel, () => first?.ring()),
      await log.watch(channel, () => {
        throw new Error("a wake that throws");
      }),
      await log.watch(channel, () => second?.ring()),
    ];
    await Promise.all([...bells.map((bell) => bell.next()), append(log, channel, "1")]);
    for (const watch of watches) await watch[Symbol.asyncDispose]();
  },

  async "a watch that was disposed never wakes, and others of its channel still do"(log, channel, tools) {
    let wakes = 0;
    const bell = tools.bell();
    const disposed = await log.watch(channel, () => wakes++);
    const witness = await log.watch(channel, bell.ring);
    await disposed[Symbol.asyncDispose]();
    await disposed[Symbol.asyncDispose]();
    for (let count = 0; count < 2; count++) {
      await Promise.all([bell.next(), append(log, channel, "1")]);
    }
    same(wakes, 0);
    await witness[Symbol.asyncDispose]();
  },

  async "a watch wakes on when its channel begins anew"(log, channel, tools) {
    const bell = tools.bell();
    const watch = await log.watch(channel, bell.ring);
    await append(log, channel, "1", { place: "last", retention: none });
    await Promise.all([bell.next(), append(log, channel, "2", { place: "first" })]);
    await Promise.all([bell.next(), append(log, channel, "3")]);
    await reads(log, channel, undefined, ["2", "3"]);
    await watch[Symbol.asyncDispose]();
  },
};
