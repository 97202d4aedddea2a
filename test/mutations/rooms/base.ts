import { inFile, type Mutation } from "../mutation.ts";

export const base: readonly Mutation[] = [
  ...inFile("base/bytes", [
    { name: "a text is cut inside a character", from: "isHigh ? max - 1 : max", to: "max" },
  ]),
  ...inFile("base/check", [
    {
      name: "a channel's name may be anything",
      from: "return /^[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]+$/u.test(text);",
      to: 'return text !== "";',
    },
  ]),
  ...inFile("base/counts", [
    {
      name: "a user who leaves with one of two clients is counted no more",
      from: "if (count > 0) this.set(key, count);",
      to: "if (count > by) this.set(key, count);",
    },
  ]),
  ...inFile("base/expiry-queue", [
    {
      name: "the timer is not moved to what expires sooner",
      from: "if (this.#armed !== undefined && due !== Infinity && due >= this.#armed.due) return;",
      to: "if (this.#armed !== undefined && due !== Infinity) return;",
    },
  ]),
  ...inFile("base/heap", [
    {
      name: "what expires later stands before what expires sooner",
      from: "if (isBefore(item, other)) break;",
      to: "if (isBefore(other, item)) break;",
    },
    {
      name: "what sinks changes places with the later of two",
      from: "isBefore(items[child + 1] as T, items[child] as T)) child++;",
      to: "isBefore(items[child] as T, items[child + 1] as T)) child++;",
    },
  ]),
  ...inFile("base/hook", [
    {
      name: "a hook that rejects ends the process",
      from: "handled(call, () => {}, failed);",
      to: "handled(call, () => {}, (error) => { throw error; });",
    },
  ]),
  ...inFile("base/maybe-promise", [
    {
      name: "a hook that throws reaches whoever calls it",
      from: "done(value);\n  } catch (error) {\n    return failed(error);",
      to: "done(value);\n  } catch (error) {\n    throw error;",
    },
  ]),
  ...inFile("base/scope", [
    {
      name: "the last link of a signal is undone, and the signal is listened to all the same",
      from: "if (!listener.delete(abort) || listener.size > 0) return;",
      to: "if (listener.delete(abort)) return;",
    },
    {
      name: "a wait that is over does not undo what it began",
      from: "if (undo !== undefined) this.#attempt(owner, undo);\n        settle();",
      to: "settle();",
    },
    { name: "a wait that is over still listens to its signal", from: "        unlink();\n", to: "" },
    {
      name: "a wait that is over is still listed",
      from: "        release();\n        unlink();",
      to: "        unlink();",
    },
    {
      name: "a timer is not disarmed when its scope ends",
      from: 'this.hold("timer", owner, cancel)',
      to: 'this.hold("timer", owner)',
    },
    {
      name: "a wait goes on after its scope has ended",
      from: 'this.hold("wait", owner, fail)',
      to: 'this.hold("wait", owner)',
    },
    {
      name: "the end of a scope leaves its listeners",
      from: 'for (const [signal, listener] of this.#links) signal.removeEventListener("abort", listener);',
      to: "",
    },
    {
      name: "a listener that throws keeps the others from their turn",
      from: 'this.#attempt("abort", () => abort(reason));',
      to: "abort(reason);",
    },
  ]),
  ...inFile("base/serialise", [
    {
      name: "a publication is measured in characters",
      from: "if (exceeds(text, max)) throw",
      to: "if (text.length > max) throw",
    },
    {
      name: "what is no number becomes null",
      from: "return Number.isFinite(value) ? undefined : String(value);",
      to: "return undefined;",
    },
    {
      name: "nobody is told where a value cannot be written",
      from: "if (lost !== undefined) return `.",
      to: "if (lost !== undefined) return lost; else if (lost === null) return `.",
    },
    {
      name: "an object that is in itself is looked at for ever",
      from: '  if (isCycle(value, parent)) return " is a cycle";\n',
      to: "",
    },
  ]),
  ...inFile("base/small-set", [
    {
      name: "the second takes the place of the first",
      from: "this.#all = new Set([this.#one, item]);",
      to: "this.#all = new Set([item]);",
    },
    {
      name: "the only one cannot be told from another",
      from: "return this.#all?.has(item) ?? this.#one === item;",
      to: "return this.#all?.has(item) ?? this.#one !== undefined;",
    },
  ]),
  ...inFile("base/timer-wheel", [
    {
      name: "an earlier deadline waits for a later one",
      from: "if (slot < this.#armedSlot) this.#arm(slot);",
      to: "if (this.#armed === undefined) this.#arm(slot);",
    },
    {
      name: "the wheel ticks on while something asks for now",
      from: "    this.#slots.delete(slot);\n    while (items",
      to: "    while (items",
    },
    {
      name: "the wheel fires once, and never again",
      from: "if (next < this.#armedSlot) this.#arm(next);",
      to: "",
    },
    {
      name: "what another's tick has taken out ticks all the same",
      from: "    item.leave();\n    if (this.#slots",
      to: "    if (this.#slots",
    },
  ]),
];
