import { inFile, type Mutation } from "../mutation.ts";

export const testing: readonly Mutation[] = [
  ...inFile("testing/connection", [
    {
      name: "an answer to a node that is cut off arrives",
      from: "if (this.isOpen) this.#answers",
      to: "this.#answers",
    },
    {
      name: "an abort ends a call that was served",
      from: "        if (call.isServed && !call.isLost) return;\n",
      to: "",
    },
    {
      name: "a request that was withdrawn is served",
      from: "if (!call.isWithdrawn) this.#parts",
      to: "this.#parts",
    },
    {
      name: "calls under way hang when a link is cut",
      from: "if (!hang) call.reject",
      to: "if (hang) call.reject",
    },
    {
      name: "calls that were lost are sent again",
      from: "      if (call.isLost) call.reject(unreachable(call.what));\n      else this",
      to: "      this",
    },
    { name: "news reach a node that is cut off", from: "if (this.isOpen) this.#news", to: "this.#news" },
    {
      name: "a killed node can be cut off and healed",
      from: 'if (this.#state === "dead" || this.#state === "closed") return;',
      to: 'if (this.#state === "closed") return;',
    },
  ]),
  ...inFile("testing/line", [
    {
      name: "what takes less time overtakes what was sent before it",
      from: "Math.max(this.#last, now + this.#latency())",
      to: "now + this.#latency()",
    },
    {
      name: "timers of what is under way stay",
      from: "for (const timer of this.#timers) timer.cancel();",
      to: "",
    },
    {
      name: "what was lost arrives in its microtask",
      from: "if (this.#underway[0] === parcel) this.#next();",
      to: "parcel.arrive();",
    },
  ]),
  ...inFile("testing/shared-channel", [
    { name: "a rollback forgets the older epochs", from: "[here, ...channel.lineage]", to: "[here]" },
    { name: "a lineage has no end", from: ".slice(0, maxLineage)", to: "" },
    {
      name: "a writer is stuck after a rollback",
      from: "return isAhead ? undefined : mark;",
      to: "return mark;",
    },
    {
      name: "a writer may leave out numbers",
      from: "mark.epoch !== epoch && once",
      to: "once",
    },
    {
      name: "an older epoch is read beyond what is continued",
      from: "older.epoch === epoch && offset <= older.offset",
      to: "older.epoch === epoch",
    },
    {
      name: "the entries of a shared channel that is sealed go each at its own time",
      from: "now - (sealedAt ?? entry.arrived) >= ttl",
      to: "now - entry.arrived >= ttl",
    },
    {
      name: "a shared channel that is sealed takes appends",
      from: "  if (channel.sealedAt !== undefined) throw new SealedError(channel.name);\n",
      to: "",
    },
    {
      name: "an append to a shared channel that is sent again is made again",
      from: "known: (kind, text) => knownMark(channel, kind, text, options, now),",
      to: 'known: (kind, text) =>\n      kind === "writers" ? undefined : knownMark(channel, kind, text, options, now),',
    },
    { name: "a shared channel has no slack", from: "(over <= 0 || isSpared)", to: "over <= 0" },
    { name: "the slack of a shared channel has no limit", from: " && beyond <= slack", to: "" },
  ]),
  ...inFile("testing/shared-members", [
    {
      name: "silence counts while all are silent",
      from: "Math.min(now - this.#heard, lease / 3)",
      to: "now - this.#heard",
    },
    { name: "a member that is silent lives for ever", from: "this.#counted - heard >= lease", to: "false" },
    {
      name: "what a member held goes to the newest",
      from: "const [heir] = this.#members.keys();",
      to: "const heir = [...this.#members.keys()].at(-1);",
    },
    { name: "an heir is not told", from: "if (hasMore) this.#parts.inherited(heir);", to: "" },
    { name: "an heir is told again and again", from: "{ ...each, isTold: true }", to: "each" },
    {
      name: "what a silent member held stays with it",
      from: "if (isNew || silent.length > 0)",
      to: "if (isNew)",
    },
    {
      name: "what nobody holds waits until somebody dies",
      from: "if (isNew || silent.length > 0)",
      to: "if (silent.length > 0)",
    },
    {
      name: "a record can be taken from the member that holds it",
      from: "if (!this.#records.has(held.record)) this",
      to: "this",
    },
    {
      name: "anybody releases a record",
      from: "if (this.#records.get(record)?.node === id) this",
      to: "this",
    },
    {
      name: "a member that was taken for gone comes back",
      from: "    if (this.#gone.has(id)) return false;\n",
      to: "",
    },
    {
      name: "members of a snapshot are silent since it was taken",
      from: "[id, this.#counted]",
      to: "[id, -Infinity]",
    },
  ]),
  ...inFile("testing/shared-node", [
    {
      name: "a node that was lost appends",
      from: "node === undefined ? this.#isLost :",
      to: "node === undefined ? false :",
    },
    {
      name: "a node that was lost never appends again",
      from: "    this.#isLost = false;\n",
      to: "",
    },
    {
      name: "a node that was lost appends under its old name if the store knows it again",
      from: "this.#lost.has(node) || members.isGone(node)",
      to: "members.isGone(node)",
    },
    {
      name: "a node that the store takes for gone appends until it is told",
      from: "this.#lost.has(node) || members.isGone(node)",
      to: "this.#lost.has(node)",
    },
    {
      name: "a healed node does not wake",
      from: "    this.#wakeAll();\n    this.tell();",
      to: "    this.tell();",
    },
    {
      name: "a healed node is told nothing",
      from: "    this.#wakeAll();\n    this.tell();",
      to: "    this.#wakeAll();",
    },
    {
      name: "a node does not notice that its store has lost something",
      from: "if (this.#generation !== this.#store.generation) {",
      to: "if (this.#generation < 0) {",
    },
    {
      name: "a node is not there again after a wipe until its next beat",
      from: "      // The store may not know this node any more.\n      this.#beat();\n",
      to: "",
    },
    {
      name: "a node that is lost beats on",
      from: "  #lose({ id, member }: Place): void {\n    this.#stopBeating();",
      to: "  #lose({ id, member }: Place): void {",
    },
    {
      name: "requests are no sign of life",
      from: "node !== undefined && !this.#lost.has(node) && !this",
      to: 'what === "beat" && node !== undefined && !this.#lost.has(node) && !this',
    },
    { name: "a watch whose answer was lost stays", from: "      await end();\n", to: "" },
    {
      name: "a release that is no longer wanted is made",
      from: "          if (signal?.aborted) return;\n",
      to: "",
    },
    {
      name: "a node that leaves the log does not tell the store",
      from: "    if (!this.#connection.isOpen) return;",
      to: "    return;",
    },
  ]),
  ...inFile("testing/shared-store", [
    { name: "a repeat holds a record", from: "    if (isRepeat) return position;\n", to: "" },
    {
      name: "a store that stands still serves",
      from: "if (this.#isPaused) this.#waiting",
      to: "if (false) this.#waiting",
    },
    {
      name: "a wiped store knows its members",
      from: "    this.#members = this.#create();\n    this.#tellAll();",
      to: "    this.#tellAll();",
    },
    {
      name: "nobody is told of a wipe",
      from: "    this.#members = this.#create();\n    this.#tellAll();",
      to: "    this.#members = this.#create();",
    },
    {
      name: "a shared channel that is watched is forgotten",
      from: "      !this.#watches.has(name) &&\n",
      to: "",
    },
    {
      name: "a rollback shares its members with the snapshot",
      from: "this.#members = members.copy();",
      to: "this.#members = members;",
    },
    {
      name: "a killed node keeps its watches",
      from: "      for (const watch of watches) if (watch.link === link) this.unwatch(watch);\n",
      to: "        void watches;\n",
    },
  ]),
];
