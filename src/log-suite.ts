import { systemClock } from "./clock.ts";
import { ClosedError } from "./errors.ts";
import type { AppendOptions, Log, Position, Slice } from "./log.ts";

/** Proves one behaviour on a fresh log, or throws; `channel` is a name nobody used before. */
export type LogTest = (log: Log, channel: string) => Promise<void>;

/** Real milliseconds within which a wake must come; nothing waits longer than the wake takes. */
const deadline = 3000;
const time = 1_767_225_600_000;
const all = { size: 1_000, bytes: 16_777_216, ttl: 3_600_000, slack: 0 };

/** The behaviours that every log must have, by what they say. */
export const logTests: Readonly<Record<string, LogTest>> = {
  async "offsets rise by one from 1, in one epoch"(log, channel) {
    const positions = await appendAll(log, channel, ["1", "2", "3"]);
    same(offsetsOf(positions), [1, 2, 3]);
    same(new Set(positions.map(({ epoch }) => epoch)).size, 1);
  },

  async "appends made at once stand in the order in which they were called"(log, channel) {
    const data = Array.from({ length: 50 }, (_, index) => String(index));
    const positions = await Promise.all(data.map((each) => append(log, channel, each)));
    same(
      offsetsOf(positions),
      data.map((_, index) => index + 1),
    );
    same(dataOf(await log.read(channel, {})), data);
  },

  async "an entry keeps offset, data, time and tags, and nothing else"(log, channel) {
    const tags = { kind: "greeting", "": "é" };
    await append(log, channel, '{"a":1}', { time: 42, tags });
    await append(log, channel, "null");
    same((await log.read(channel, {})).entries, [
      { offset: 1, data: '{"a":1}', time: 42, tags },
      { offset: 2, data: "null", time },
    ]);
  },

  async "an unknown channel has an epoch that stays valid, top 0 and nothing to read"(log, channel) {
    const { epoch, ...rest } = await log.read(channel, {});
    same(rest, { top: 0, first: 1, entries: [], gapless: true });
    same(epoch === "", false);
    await append(log, channel, "1");
    await reads(log, channel, { offset: 0, epoch }, ["1"]);
  },

  async "a watched channel has its epoch before its first entry"(log, channel) {
    const watch = await log.watch(channel, () => {});
    const { epoch } = await log.read(channel, {});
    same((await append(log, channel, "1")).epoch, epoch);
    await watch[Symbol.asyncDispose]();
  },

  async "a read goes on right after its position, and is empty and gapless at the top"(log, channel) {
    const { epoch } = await fill(log, channel, 3);
    await reads(log, channel, { offset: 0, epoch }, ["1", "2", "3"]);
    await reads(log, channel, { offset: 2, epoch }, ["3"]);
    await reads(log, channel, { offset: 3, epoch }, []);
  },

  async "a position with an empty epoch is one of any epoch"(log, channel) {
    await fill(log, channel, 3);
    await reads(log, channel, { offset: 0, epoch: "" }, ["1", "2", "3"]);
    await reads(log, channel, { offset: 2, epoch: "" }, ["3"]);
  },

  async "a position of another epoch is not gapless"(log, channel) {
    await fill(log, channel, 3);
    const { epoch } = await append(log, `${channel} other`, "1");
    await reads(log, channel, { offset: 0, epoch }, "gap");
    await reads(log, channel, { offset: 3, epoch }, "gap");
  },

  async "a position from the future is not gapless"(log, channel) {
    const { epoch } = await fill(log, channel, 3);
    await reads(log, channel, { offset: 4, epoch }, "gap");
    await reads(log, channel, { offset: 4, epoch: "" }, "gap");
  },

  async "a position is gapless exactly while nothing after it was trimmed"(log, channel) {
    await fill(log, channel, 5, { size: 2 });
    const { epoch, top, first } = await log.read(channel, {});
    same({ top, first }, { top: 5, first: 4 });
    await reads(log, channel, { offset: 2, epoch }, "gap");
    await reads(log, channel, { offset: 0, epoch: "" }, "gap");
    await reads(log, channel, { offset: 3, epoch }, ["4", "5"]);
  },

  async "a read without a position begins at the first entry kept, and is gapless"(log, channel) {
    await fill(log, channel, 5, { size: 2 });
    await reads(log, channel, undefined, ["4", "5"]);
  },

  async "a limit keeps the earliest entries, and changes nothing else"(log, channel) {
    const { epoch } = await fill(log, channel, 4);
    const after = { offset: 1, epoch };
    const { entries, ...rest } = await log.read(channel, { after, limit: 2 });
    same(dataOf({ entries }), ["2", "3"]);
    same(rest, { epoch, top: 4, first: 1, gapless: true });
    same(dataOf(await log.read(channel, { limit: 1 })), ["1"]);
    same(dataOf(await log.read(channel, { after, limit: 0 })), []);
    same(dataOf(await log.read(channel, { after, limit: 100 })), ["2", "3", "4"]);
  },

  async "epoch and top outlive the entries"(log, channel) {
    const { epoch } = await fill(log, channel, 3, { size: 0 });
    const slice = await log.read(channel, {});
    same(slice, { epoch, top: 3, first: 4, entries: [], gapless: true });
    same(await append(log, channel, "4"), { offset: 4, epoch });
    await reads(log, channel, { offset: 3, epoch }, ["4"]);
  },

  async "the retention given with an append replaces the one before it"(log, channel) {
    await fill(log, channel, 5, { size: 2 });
    await fill(log, channel, 2, { size: 3 });
    same((await log.read(channel, {})).first, 5);
    await log.append(channel, "0", { time, retention: { slack: 0 } });
    await append(log, channel, "1234567890", { retention: { ...all, bytes: 10 } });
    same(dataOf(await log.read(channel, {})), ["1234567890"]);
  },

  async "two channels know nothing of each other"(log, channel) {
    const other = `${channel} other`;
    await fill(log, channel, 3, { size: 1 });
    same((await fill(log, other, 2)).offset, 2);
    await reads(log, channel, undefined, ["3"]);
    await reads(log, other, undefined, ["1", "2"]);
  },

  async "any string names a channel of its own"(log, channel) {
    const forms = ["", " ", "é", "e\u0301", "A", "a", "*", ">", "a.b", "%61", '"', "\n", "\0", "😀"];
    const odd = ["__proto__", "constructor", channel + "n".repeat(1000)];
    const names = [...odd, ...forms.map((form) => channel + form)];
    const before = await Promise.all(names.map((name) => log.read(name, { limit: 0 })));
    for (const name of names) await append(log, name, JSON.stringify(name));
    for (const [index, name] of names.entries()) {
      const { epoch = "", top = 0 } = before[index] ?? {};
      await reads(log, name, { offset: top, epoch }, [JSON.stringify(name)]);
    }
  },

  async "payloads of any script and of 256 KiB come back unchanged"(log, channel) {
    const texts = ["", " é e\u0301 ", "漢字 かな", "שלום", "👩‍👩‍👧 😀", "\u2028\u2029\ufeff\0\\"];
    const long = ["x".repeat(262_142), "漢".repeat(87_380)];
    const data = [...texts, ...long].map((text) => JSON.stringify(text));
    await appendAll(log, channel, data);
    same(dataOf(await log.read(channel, {})), data);
  },

  async "every append wakes, from the moment a watch is there"(log, channel) {
    const bell = createBell();
    const watch = await log.watch(channel, bell.ring);
    for (let count = 0; count < 3; count++) {
      await Promise.all([bell.next(), append(log, channel, "1")]);
    }
    await watch[Symbol.asyncDispose]();
  },

  async "what woke can be read"(log, channel) {
    let read: Promise<Slice> | undefined;
    const bell = createBell();
    const watch = await log.watch(channel, () => {
      read ??= log.read(channel, {});
      bell.ring();
    });
    await Promise.all([bell.next(), append(log, channel, '"here"')]);
    same(read && dataOf(await read), ['"here"']);
    await watch[Symbol.asyncDispose]();
  },

  async "every watch of a channel wakes, and one that throws harms nobody"(log, channel) {
    const bells = [createBell(), createBell()];
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

  async "a watch that was disposed never wakes, and others of its channel still do"(log, channel) {
    let wakes = 0;
    const bell = createBell();
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

  async "an aborted signal rejects with its reason itself, and nothing is done"(log, channel) {
    const reason = { why: "changed my mind" };
    const signal = AbortSignal.abort(reason);
    let wakes = 0;
    isSame(await failure(append(log, channel, "1", { signal })), reason);
    isSame(await failure(log.read(channel, { signal })), reason);
    isSame(await failure(log.watch(channel, () => wakes++, { signal })), reason);
    same((await append(log, channel, "2")).offset, 1);
    same(dataOf(await log.read(channel, {})), ["2"]);
    same(wakes, 0);
  },

  async "a signal aborted on the way rejects with its reason itself, or comes too late"(log, channel) {
    const reason = new Error("stopped");
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [append(log, channel, "1", { signal }), log.read(channel, { signal })];
    const watch = log.watch(channel, () => {}, { signal });
    controller.abort(reason);
    for (const { status, ...settled } of await Promise.allSettled([...calls, watch])) {
      if (status === "rejected" && "reason" in settled) isSame(settled.reason, reason);
    }
    if ((await failure(watch)) === undefined) await (await watch)[Symbol.asyncDispose]();
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

function append(
  log: Log,
  channel: string,
  data: string,
  options: Partial<AppendOptions> = {},
): Promise<Position> {
  return log.append(channel, data, { time, retention: all, ...options });
}

async function appendAll(log: Log, channel: string, data: readonly string[]): Promise<Position[]> {
  const positions: Position[] = [];
  for (const each of data) positions.push(await append(log, channel, each));
  return positions;
}

/** Appends "1", "2" and so on, and answers the last one's position. */
async function fill(
  log: Log,
  channel: string,
  count: number,
  retention?: { size: number },
): Promise<Position> {
  let last: Position = { offset: 0, epoch: "" };
  for (let index = 1; index <= count; index++) {
    last = await append(log, channel, String(index), { retention: { ...all, ...retention } });
  }
  return last;
}

function dataOf({ entries }: Pick<Slice, "entries">): string[] {
  return entries.map(({ data }) => data);
}

function offsetsOf(positions: readonly Position[]): number[] {
  return positions.map(({ offset }) => offset);
}

type Read = readonly string[] | "gap";

async function reads(log: Log, channel: string, after: Position | undefined, expected: Read): Promise<void> {
  const { gapless, entries } = await log.read(channel, { after });
  same(gapless ? dataOf({ entries }) : "gap", expected);
  same(gapless || entries.length, gapless || 0);
}

/** What a promise rejects with; undefined when it does not. */
function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

/** Wakes may come late, and more often than asked for: a ring counts once it is waited for. */
function createBell(): { ring(): void; next(): Promise<void> } {
  let hear = (): void => {};
  return {
    ring: () => hear(),
    next() {
      const heard = new Promise<void>((resolve, reject) => {
        const timer = systemClock.timer(deadline, () => reject(new Error("Expected a wake: none came")));
        hear = () => {
          timer.cancel();
          resolve();
        };
      });
      // A test that fails before it waits has said enough.
      heard.catch(() => {});
      return heard;
    },
  };
}

function same(actual: unknown, expected: unknown): void {
  const [found, wanted] = [show(actual), show(expected)];
  if (found !== wanted) throw new Error(`Expected ${shorten(wanted)}, not ${shorten(found)}`);
}

function isSame(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`Expected the reason itself, not ${shorten(String(actual))}`);
}

/** As JSON with members in order, and without those that are undefined. */
function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) => {
      if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
      return Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)));
    }) ?? "undefined"
  );
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}
