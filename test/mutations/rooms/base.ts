import { inFile, type Mutation } from "../mutation.ts";

export const base: readonly Mutation[] = [
  ...inFile("base/bytes", [
    { name: "a text is cut inside a surrogate pair", from: "isHigh ? max - 1 : max", to: "max" },
  ]),
  ...inFile("base/check", [
    {
      name: "a channel name may contain any characters",
      from: "return /^[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]+$/u.test(text);",
      to: 'return text !== "";',
    },
  ]),
  ...inFile("base/clock", [
    {
      name: "a turn is a microtask where there is no setImmediate",
      from: "else setTimeout(run, 0);",
      to: "else queueMicrotask(run);",
    },
  ]),
  ...inFile("base/counts", [
    {
      name: "the first addition of a key is not counted",
      from: "if (count > 0) this.set(key, count);",
      to: "if (count > by) this.set(key, count);",
    },
  ]),
  ...inFile("base/formatted", [
    {
      name: "records of another format are taken for known",
      from: "isObject(read) && read.format === format",
      to: "isObject(read)",
    },
    {
      name: "a text that is no JSON is an error",
      from: "  } catch {\n    return undefined;\n  }",
      to: "  } finally {\n  }",
    },
  ]),
  ...inFile("base/expiry-queue", [
    {
      name: "a timer for an item that is gone stays",
      from: "    if (this.#armed?.due !== this.#due) this.#disarm();\n",
      to: "",
    },
    {
      name: "the timer is not moved to an earlier expiry",
      from: "if (this.#armed !== undefined && due !== Infinity && due >= this.#armed.due) return;",
      to: "if (this.#armed !== undefined && due !== Infinity) return;",
    },
  ]),
  ...inFile("base/heap", [
    {
      name: "a later item moves up past an earlier one",
      from: "if (isBefore(item, other)) break;",
      to: "if (isBefore(other, item)) break;",
    },
    {
      name: "an item that moves down is swapped with the later child",
      from: "isBefore(items[child + 1] as T, items[child] as T)) child++;",
      to: "isBefore(items[child] as T, items[child + 1] as T)) child++;",
    },
  ]),
  ...inFile("base/hook", [
    {
      name: "a rejected promise of a hook ends the process",
      from: "handled(call, () => {}, failed);",
      to: "handled(call, () => {}, (error) => { throw error; });",
    },
  ]),
  ...inFile("base/maybe-promise", [
    {
      name: "an error thrown by a hook reaches the caller",
      from: "done(value);\n  } catch (error) {\n    return failed(error);",
      to: "done(value);\n  } catch (error) {\n    throw error;",
    },
  ]),
  ...inFile("base/scope", [
    {
      name: "the listener of a signal stays after its last link was removed",
      from: "if (!listener.delete(abort) || listener.size > 0) return;",
      to: "if (listener.delete(abort)) return;",
    },
    {
      name: "the end of a wait does not undo its start",
      from: "if (undo !== undefined) this.#attempt(owner, undo);\n        settle();",
      to: "settle();",
    },
    { name: "a finished wait stays linked to its signal", from: "        unlink();\n", to: "" },
    {
      name: "a finished wait stays in the list of waits",
      from: "        release();\n        unlink();",
      to: "        unlink();",
    },
    {
      name: "a timer is not cancelled when its scope ends",
      from: 'this.hold("timer", owner, cancel)',
      to: 'this.hold("timer", owner)',
    },
    {
      name: "a wait does not end with its scope",
      from: 'this.hold("wait", owner, fail)',
      to: 'this.hold("wait", owner)',
    },
    {
      name: "the end of a scope does not remove its listeners",
      from: 'for (const [signal, listener] of this.#links) signal.removeEventListener("abort", listener);',
      to: "",
    },
    {
      name: "a listener that throws keeps other listeners from being called",
      from: 'this.#attempt("abort", () => abort(reason));',
      to: "abort(reason);",
    },
  ]),
  ...inFile("base/serialise", [
    {
      name: "the size of a publication is measured in characters",
      from: "if (exceeds(text, max)) throw",
      to: "if (text.length > max) throw",
    },
    {
      name: "NaN and Infinity become null",
      from: "return Number.isFinite(value) ? undefined : String(value);",
      to: "return undefined;",
    },
    {
      name: "a value that JSON cannot hold throws no error",
      from: "if (lost !== undefined) return `.",
      to: "if (lost !== undefined) return lost; else if (lost === null) return `.",
    },
    {
      name: "the search in a cyclic object never ends",
      from: '  if (isCycle(value, parent)) return " is a cycle";\n',
      to: "",
    },
  ]),
  ...inFile("base/small-set", [
    {
      name: "the second item replaces the first",
      from: "this.#all = new Set([this.#one, item]);",
      to: "this.#all = new Set([item]);",
    },
    {
      name: "any item counts as contained in a set of one",
      from: "return this.#all?.has(item) ?? this.#one === item;",
      to: "return this.#all?.has(item) ?? this.#one !== undefined;",
    },
  ]),
  ...inFile("base/timer-wheel", [
    {
      name: "an item is called before its deadline when the timer fires early",
      from: "this.#tick(slot, Math.max(now, slot * resolution));",
      to: "this.#tick(slot, now);",
    },
    {
      name: "a deadline without a reason keeps its timer",
      from: "      for (const item of [...itemsOf(items)]) item.retime();\n",
      to: "      void itemsOf;\n",
    },
    {
      name: "the timer is not set for the earliest deadline that is left",
      from: "      if (first !== this.#armedSlot) this.#arm(first);\n      return;",
      to: "      return;",
    },
    {
      name: "the timer is not moved to an earlier deadline",
      from: "if (slot < this.#armedSlot) this.#arm(slot);",
      to: "if (this.#armed === undefined) this.#arm(slot);",
    },
    {
      name: "an item set for now during a tick is handled in the same tick",
      from: "    this.#slots.delete(slot);\n    while (items",
      to: "    while (items",
    },
    {
      name: "the timer is not set again after a tick",
      from: "if (next < this.#armedSlot) this.#arm(next);",
      to: "",
    },
    {
      name: "an item that another callback removed is still called",
      from: "    item.leave();\n    if (this.#slots",
      to: "    if (this.#slots",
    },
  ]),
  ...inFile("base/trim", [
    {
      name: "everything is deleted as soon as there is too much",
      from: "if (items.size <= max)",
      to: "if (items.size === 0)",
    },
  ]),
];
