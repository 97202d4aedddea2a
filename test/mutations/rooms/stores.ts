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
    {
      name: "a slice that misses one entry is reported as gapless",
      from: "offset + 1 >= this.first",
      to: "offset + 2 >= this.first",
    },
    {
      name: "a position of another epoch is accepted",
      from: 'epoch === "" || epoch === this.epoch',
      to: 'epoch === "" || epoch !== ""',
    },
    {
      name: "a read includes the entry at the position",
      from: "after === undefined ? first : after.offset + 1",
      to: "after === undefined ? first : after.offset",
    },
    {
      name: "a read of the last entries returns all",
      from: "this.top + 1 - Math.floor(last)",
      to: "Math.min(start, last)",
    },
    {
      name: "a read of the last entries begins before its position",
      from: "Math.max(start, this.top",
      to: "Math.max(this.first, this.top",
    },
    {
      name: "a limit counts from the last entries on",
      from: "    if (limit === undefined) return;\n",
      to: "    if (limit === undefined || last >= 0) return;\n",
    },
    {
      name: "a negative number of last entries is accepted",
      from: '    checkBound("last", last);\n',
      to: "",
    },
    { name: "an empty state is not read", from: "if (this.state !== undefined)", to: "if (this.state)" },
    { name: "the seal is not read", from: "    if (this.isSealed) slice.sealed = true;\n", to: "" },
    {
      name: "a channel without entries begins anew before it is sealed",
      from: "!(this.isSealed && this.first > this.top)",
      to: "!(this.first > this.top)",
    },
    {
      name: "a sealed channel begins anew while it has entries",
      from: "!(this.isSealed && this.first > this.top)",
      to: "!this.isSealed",
    },
    {
      name: "a channel that began anew is still sealed",
      from: "    this.sealedAt = undefined;\n    this.top = 0;",
      to: "    this.top = 0;",
    },
    {
      name: "half of a state does not count",
      from: "this.state.length * 2",
      to: "this.state.length",
    },
  ]),
  ...inFile("stores/memory", [
    {
      name: "a channel that has begun begins anew",
      from: "if (channel.hasBegun) throw new ExistsError(name);",
      to: "if (channel.hasBegun && channel.state !== undefined) throw new ExistsError(name);",
    },
    {
      name: "a sealed channel accepts what is not in the last place",
      from: "else if (channel.isSealed) throw",
      to: 'else if (channel.isSealed && place === "last") throw',
    },
    {
      name: "a repeat is refused in a sealed channel",
      from: "    if (isMarked) {\n      const offset = this.#repeats.find(",
      to: "    if (channel.isSealed) throw new SealedError(name);\n    if (isMarked) {\n      const offset = this.#repeats.find(",
    },
    {
      name: "the last place does not seal",
      from: 'if (place === "last") channel.sealedAt = now;',
      to: "",
    },
    {
      name: "an append that is refused changes the retention",
      from: "    if (state !== undefined) checkState(name, state);\n",
      to: "    if (bounds !== undefined) channel.keepTo(bounds);\n    if (state !== undefined) checkState(name, state);\n",
    },
    {
      name: "an append that is refused changes the state",
      from: "if (state !== undefined) checkState(name, state);",
      to: "if (state !== undefined) this.#describe(channel, state);\n    if (state !== undefined) checkState(name, state);",
    },
    {
      name: "a state that is too long is refused after the channel began anew",
      from: '    if (state !== undefined) checkState(name, state);\n    if (place === "first") this.#begin(channel);\n    else if (channel.isSealed) throw new SealedError(name);\n',
      to: '    if (place === "first") this.#begin(channel);\n    else if (channel.isSealed) throw new SealedError(name);\n    if (state !== undefined) checkState(name, state);\n',
    },
    {
      name: "a state may be of any length",
      from: "if (length <= maxState) return;",
      to: "if (length <= maxState * 2) return;",
    },
    {
      name: "the state of a channel that began anew is kept",
      from: "    this.#describe(channel, undefined);\n",
      to: "",
    },
    {
      name: "the state of a forgotten channel counts for ever",
      from: "this.#count(-channelCost - channel.stateBytes);",
      to: "this.#count(-channelCost);",
    },
    {
      name: "the state that was replaced counts for ever",
      from: "this.#count(channel.stateBytes - before);",
      to: "this.#count(Math.max(channel.stateBytes, before) - before);",
    },
    {
      name: "the states of idle channels push out what is kept",
      from: "const isCrowded = this.#channelBytes * 2 >",
      to: "const isCrowded = this.#channels.size * channelCost * 2 >",
    },
    {
      name: "a channel that begins anew keeps its epoch",
      from: "top === 0 ? epoch : this.#epoch()",
      to: "epoch",
    },
    {
      name: "a channel that begins anew keeps its writers and keys",
      from: "    this.#repeats.forget(channel);\n    this.#describe(",
      to: "    this.#describe(",
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
      from: "if (offset !== undefined && once !== undefined) memory.remember(once, offset);",
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
