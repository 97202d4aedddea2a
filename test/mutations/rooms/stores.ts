import { inFile, type Mutation } from "../mutation.ts";

export const stores: readonly Mutation[] = [
  ...inFile("stores/block", [
    {
      name: "an entry of a block has its neighbour's text",
      from: "this.#number(offset - 1, 0)",
      to: "this.#number(offset, 0)",
    },
    {
      name: "an entry of a block is as old as the first of it",
      from: "return this.#number(offset, 3);",
      to: "return this.#number(this.#start, 3);",
    },
    { name: "entries in a block stay in the list of all entries", from: "      kept.leave();\n", to: "" },
  ]),
  ...inFile("stores/bounds", [
    {
      name: "a bound that fails is tried again for ever",
      from: "{ ...options, lasting: true }",
      to: "options",
    },
  ]),
  ...inFile("stores/memory-channel", [
    {
      name: "what is beyond the bounds never grows too old",
      from: "age >= youth || this.#measureBeyond()",
      to: "this.#measureBeyond()",
    },
    { name: "slack has no bound", from: "age >= youth || this.#measureBeyond() > slack", to: "age >= youth" },
    {
      name: "what a publication takes beside its payload does not count into slack",
      from: "this.#beyond += one + entryCost;",
      to: "this.#beyond += one;",
    },
    {
      name: "slack is not measured anew when the bounds change",
      from: "    this.#within = this.first;\n    this.#beyond = 0;\n",
      to: "",
    },
    {
      name: "what is kept is as old as what was before it",
      from: "    this.#since = this.#blocks[0]?.arrivedOf(this.first) ?? this.#kept[this.#head]?.arrived ?? 0;\n",
      to: "",
    },
    {
      name: "nothing is ever too old",
      from: "if (this.first > this.top) this.#since = kept.arrived;",
      to: "",
    },
    { name: "a block that is gone stays in the list of all entries", from: "    block.leave();\n", to: "" },
    { name: "a watch that throws keeps the others from hearing", from: "} catch {}", to: "} finally {\n  }" },
  ]),
  ...inFile("stores/memory", [
    {
      name: "a log that lacks one publication calls itself gapless",
      from: "offset + 1 >= first",
      to: "offset + 2 >= first",
    },
    {
      name: "a position of another epoch is taken for one of this",
      from: 'epoch === "" || epoch === present',
      to: 'epoch === "" || epoch !== ""',
    },
    {
      name: "reading begins at the position, not after it",
      from: "after === undefined ? first : after.offset + 1",
      to: "after === undefined ? first : after.offset",
    },
    {
      name: "a channel that begins anew keeps its epoch",
      from: "top === 0 ? epoch : this.#epoch()",
      to: "epoch",
    },
    {
      name: "a channel that begins anew keeps its writers and keys",
      from: "    this.#repeats.forget(channel);\n    channel.begin(",
      to: "    channel.begin(",
    },
    { name: "a channel with a key that counts is forgotten", from: " || channel.keys !== undefined", to: "" },
  ]),
  ...inFile("stores/repeats", [
    {
      name: "a writer's last append is made again",
      from: "if (writer !== undefined && n === writer.n) return writer.offset;",
      to: "",
    },
    {
      name: "what a key was used for does not count as a writer's last",
      from: "if (offset !== undefined) this.remember(channel, { once }, offset, now);",
      to: "",
    },
    {
      name: "keys and writers count for ever",
      from: "mark !== undefined && mark.expires > now",
      to: "mark !== undefined",
    },
    {
      name: "keys and writers have no bound",
      from: "first.expires > now && this.#bytes <= max",
      to: "first.expires > now",
    },
  ]),
];
