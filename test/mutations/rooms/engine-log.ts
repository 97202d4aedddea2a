import { inFile, type Mutation } from "../mutation.ts";

export const engineLog: readonly Mutation[] = [
  ...inFile("engine/log/append-queues", [
    {
      name: "a publication overtakes one before it",
      from: "if (!this.#appender.isAtOnce || (this.#queues.size > 0 && this.#queues.has(channel))) return false;",
      to: "if (!this.#appender.isAtOnce) return false;",
    },
    {
      name: "the log is asked after the queues have ended",
      from: 'if (this.#ended) return Promise.reject(closed("publish"));',
      to: "",
    },
    {
      name: "what waits has no bound",
      from: "if (appending === undefined && this.#isFull(data) && steps?.isExempt !== true)",
      to: "if (steps?.isExempt === undefined && this.#bytes < 0)",
    },
    {
      name: "a channel with a long queue is served before all others",
      from: "      queue.moveTo(this.#rotation);\n      if (!this.#pace.take",
      to: "      if (!this.#pace.take",
    },
    {
      name: "who never pauses waits for nobody",
      from: "if (burst.isHeld && queue.mayHold && !queue.isBusy) this.#hold(queue);",
      to: "if (burst.isHeld && queue.mayHold && queue.isBusy) this.#hold(queue);",
    },
    {
      name: "who pauses now and then waits for nobody",
      from: "return !this.#bursts.holds(channel) && this.#pace.take(channel, data.length);",
      to: "return this.#pace.take(channel, data.length);",
    },
    {
      name: "what a run says of itself waits for subscribers",
      from: "if (isFirst && item.steps?.isUrgent === true) queue.mayHold = false;",
      to: "",
    },
    {
      name: "what a cancelled run has yielded takes along all that waits before it",
      from: "    if (queue?.size !== 1) return;\n",
      to: "    if (queue === undefined) return;\n",
    },
    {
      name: "where there is no time left subscribers are waited for",
      from: "    this.#bursts.hasten();\n",
      to: "",
    },
    {
      name: "a signal does not take out what waits for its turn",
      from: "item.unlink = this.#scope.link(signal, (reason) => this.#withdraw(owner, item, reason));",
      to: "item.unlink = this.#scope.link(signal, () => owner.isHeld);",
    },
  ]),
  ...inFile("engine/log/burst", [
    {
      name: "a subscriber that stands still hides those that come on",
      from: "      slowest = slowestAfter(slowest);",
      to: "      slowest = undefined;",
    },
    {
      name: "a burst waits for nobody before its log is full",
      from: "const half = (slack > 0 ? surelyKept(kept) : bytes) / 2;",
      to: "const half = slack > 0 ? surelyKept(kept) : bytes;",
    },
    {
      name: "a burst waits for ever for who does not come on",
      from: "slowest === this.#slowest && now - this.#since >= patience) {",
      to: "slowest === this.#slowest && now < 0) {",
    },
    {
      name: "offsets of before a channel began anew are waited for",
      from: "      this.#marks.splice(0, Infinity, { offset: 0, bytes: this.#bytes });\n",
      to: "",
    },
  ]),
  ...inFile("engine/log/bursts", [
    {
      name: "a burst is over though somebody is behind",
      from: "if (isWaiting || this.#slowest(channel, burst.offset, -1) !== undefined) return;",
      to: "if (isWaiting) return;",
    },
  ]),
  ...inFile("engine/log/log-appender", [
    {
      name: "a log that answers by promises is told no number",
      from: "const numbered = this.#isAtOnce ? options : {",
      to: "const numbered = this.#isAtOnce !== false ? options : {",
    },
    {
      name: "a log that throws has not failed",
      from: "return this.#retry(channel, data, numbered, Promise.reject(error));",
      to: "throw error;",
    },
    {
      name: "an append is tried again after its signal aborted",
      from: "(0.5 + clock.random() / 2), signal);",
      to: "(0.5 + clock.random() / 2));",
    },
    {
      name: "a publication that the log refused is given up",
      from: "    if (lasting !== undefined) throw lasting;",
      to: "    throw lasting ?? error;",
    },
    {
      name: "an append that is sent again has another number",
      from: "          appending = log.append(channel, data, options);",
      to: "          appending = log.append(channel, data, { ...options, once: this.#writers.next(channel) });",
    },
    {
      name: "a writer goes on after an append that nobody waited for",
      from: "      this.#writers.abandon(channel);\n",
      to: "",
    },
    { name: "each try of an outage is reported", from: "    this.#isFailing = true;\n", to: "" },
  ]),
  ...inFile("engine/log/log-failure", [
    {
      name: "entries may have holes between them",
      from: "if (offset !== next) throw torn(",
      to: "if (offset < next) throw torn(",
    },
    {
      name: "a log may be empty below its top",
      from: "if (entries.length === 0 && before < top && limit > 0)",
      to: "if (entries.length === 0 && before < first - 1)",
    },
    {
      name: "a network that fails is a fault in the code of the log",
      from: "error instanceof TypeError && error.cause === undefined",
      to: "error instanceof TypeError",
    },
  ]),
  ...inFile("engine/log/pace", [
    {
      name: "a turn has no end while there is room",
      from: " || this.#parts.clock.now() - this.#began >= maxTurnTime;",
      to: ";",
    },
    {
      name: "a turn has room for everything",
      from: "this.#isSpent = this.#bytes >= this.#budget ||",
      to: "this.#isSpent = this.#bytes < 0 ||",
    },
    {
      name: "turns follow one another for ever, and sockets wait",
      from: "    if (now - this.#busySince < restAfter) return false;\n",
      to: "    if (now - this.#busySince < 1e9) return false;\n",
    },
    {
      name: "sockets come before every turn",
      from: "    this.#busySince = now;\n    return true;",
      to: "    return true;",
    },
    {
      name: "a turn takes all that a log keeps of a channel",
      from: "    if (!fits) return false;\n",
      to: "",
    },
    {
      name: "a log is taken to keep more of small publications than its size",
      from: "return Math.min(bytes, size * entryCost) + slack;",
      to: "return bytes + slack + 0 * size;",
    },
  ]),
  ...inFile("engine/log/read-backwards", [
    { name: "the newest are read further than a reply holds", from: "chars += charsOf(part ?? []);", to: "" },
    {
      name: "the newest are looked for from the start",
      from: "const lowest = Math.max(0, place.first - 1, end - limit);",
      to: "const lowest = Math.max(0, place.first - 1);",
    },
  ]),
  ...inFile("engine/log/read-page", [
    {
      name: "a history is read further than a reply holds",
      from: " || chars >= enough) return",
      to: ") return",
    },
    {
      name: "a history ends after its first part",
      from: "const isOver = slice.entries.length === 0 || last === undefined || last.offset >= first.top;",
      to: "const isOver = true;",
    },
  ]),
  ...inFile("engine/log/writers", [
    {
      name: "a writer keeps a name that the log may have forgotten",
      from: "    this.#forget(at);\n",
      to: "",
    },
  ]),
];
