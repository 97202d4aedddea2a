import { inFile, type Mutation } from "../mutation.ts";

export const stores: readonly Mutation[] = [
  ...inFile("stores/block", [
    {
      name: "an entry of a block has the text of the entry after it",
      from: "this.#number(offset - 1, 0)",
      to: "this.#number(offset, 0)",
    },
    {
      name: "all entries of a block have the age of the first",
      from: "return this.#number(offset, 3);",
      to: "return this.#number(this.#start, 3);",
    },
    { name: "entries in a block stay in the list of all entries", from: "      kept.leave();\n", to: "" },
  ]),
  ...inFile("stores/bounds", [
    {
      name: "a lasting error of a bound is retried for ever",
      from: "{ ...options, lasting: true }",
      to: "options",
    },
  ]),
  ...inFile("stores/memory-channel", [
    {
      name: "the entries of a sealed channel go each at its own time",
      from: "(this.sealedAt === undefined ? age : now - this.sealedAt) >= ttl",
      to: "age >= ttl",
    },
    {
      name: "entries above size and bytes are not trimmed by their age",
      from: "age >= youth || this.#measureBeyond()",
      to: "this.#measureBeyond()",
    },
    { name: "slack has no limit", from: "age >= youth || this.#measureBeyond() > slack", to: "age >= youth" },
    {
      name: "the overhead of a publication does not count against slack",
      from: "this.#beyond += one + entryCost;",
      to: "this.#beyond += one;",
    },
    {
      name: "slack is not measured again when the limits change",
      from: "    this.#within = this.first;\n    this.#beyond = 0;\n",
      to: "",
    },
    {
      name: "the age of the first entry is not updated after a trim",
      from: "    this.#since = this.#blocks[0]?.arrivedOf(this.first) ?? this.#kept[this.#head]?.arrived ?? 0;\n",
      to: "",
    },
    {
      name: "the age of the first entry is not set",
      from: "if (this.first > this.top) this.#since = kept.arrived;",
      to: "",
    },
    { name: "a trimmed block stays in the list of all entries", from: "    block.leave();\n", to: "" },
    {
      name: "a watch callback that throws keeps the others from being called",
      from: "} catch {}",
      to: "} finally {\n  }",
    },
  ]),
  ...inFile("stores/memory", [
    {
      name: "a slice that misses one entry is reported as gapless",
      from: "offset + 1 >= first",
      to: "offset + 2 >= first",
    },
    {
      name: "a position of another epoch is accepted",
      from: 'epoch === "" || epoch === present',
      to: 'epoch === "" || epoch !== ""',
    },
    {
      name: "a read includes the entry at the position",
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
    { name: "a channel with valid keys is forgotten", from: " || channel.keys !== undefined", to: "" },
  ]),
  ...inFile("stores/repeats", [
    {
      name: "the last append of a writer is repeated",
      from: "if (writer !== undefined && n === writer.n) return writer.offset;",
      to: "",
    },
    {
      name: "a reused key is not recorded as the writer's last append",
      from: "if (offset !== undefined) this.remember(channel, { once }, offset, now);",
      to: "",
    },
    {
      name: "keys and writers never expire",
      from: "mark !== undefined && mark.expires > now",
      to: "mark !== undefined",
    },
    {
      name: "keys and writers have no memory limit",
      from: "first.expires > now && this.#bytes <= max",
      to: "first.expires > now",
    },
  ]),
];
