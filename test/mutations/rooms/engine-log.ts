import { inFile, type Mutation } from "../mutation.ts";

export const engineLog: readonly Mutation[] = [
  ...inFile("engine/log/append-queues", [
    {
      name: "publications overtake the limit while commits fail",
      from: "|| this.commits?.isFailing ||",
      to: "||",
    },
    {
      name: "closing does not wait for a commit",
      from: "if (this.#queues.size === 0 && (this.commits?.size ?? 0) === 0) this.#quiet?.();",
      to: "if (this.#queues.size === 0) this.#quiet?.();",
    },
    {
      name: "an append that took longer than a turn counts in none",
      from: "if (this.#pace.turns !== turns) this.#pace.charge(",
      to: "if (this.#pace.turns < turns) this.#pace.charge(",
    },
    {
      name: "a publication overtakes an earlier one of its channel",
      from: "return this.#queues.size > 0 && this.#queues.has(channel);",
      to: "return this.#queues.size < 0;",
    },
    {
      name: "an append is started after the queues have ended",
      from: 'if (this.#ended) return Promise.reject(closed("publish"));',
      to: "",
    },
    {
      name: "a channel with a long queue is served before the others",
      from: "      queue.moveTo(this.#rotation);\n      if (!this.#pace.take",
      to: "      if (!this.#pace.take",
    },
    {
      name: "a publisher without pauses is never held",
      from: "if (burst.isHeld && queue.mayHold && !queue.isBusy)",
      to: "if (burst.isHeld && queue.mayHold && queue.isBusy)",
    },
    {
      name: "a held channel accepts a publication at once",
      from: "return !this.#bursts.holds(channel) && this.#pace.take(channel, data.length);",
      to: "return this.#pace.take(channel, data.length);",
    },
    {
      name: "the progress of a run waits for slow subscribers",
      from: "if (isFirst && item.steps?.isUrgent === true) queue.mayHold = false;",
      to: "",
    },
    {
      name: "withdrawing an event of a cancelled run withdraws the earlier ones",
      from: "    if (queue?.size !== 1) return;\n",
      to: "    if (queue === undefined) return;\n",
    },
    {
      name: "queues still wait for slow subscribers after hasten",
      from: "    this.#bursts.hasten();\n",
      to: "",
    },
    {
      name: "a signal does not withdraw a waiting append",
      from: "item.unlink = this.#scope.link(signal, (reason) => this.#withdraw(owner, item, reason));",
      to: "item.unlink = this.#scope.link(signal, () => owner.isHeld);",
    },
  ]),
  ...inFile("engine/log/burst", [
    {
      name: "a stalled subscriber hides the other slow ones",
      from: "      slowest = slowestAfter(slowest);",
      to: "      slowest = undefined;",
    },
    {
      name: "a burst is not held until the log is full",
      from: "const half = (slack > 0 ? surelyKept(kept) : bytes) / 2;",
      to: "const half = slack > 0 ? surelyKept(kept) : bytes;",
    },
    {
      name: "a burst waits for ever for a stalled subscriber",
      from: "slowest === this.#slowest && now - this.#since >= patience) {",
      to: "slowest === this.#slowest && now < 0) {",
    },
    {
      name: "offsets from before a restart of the channel still hold the burst",
      from: "      this.#marks.splice(0, Infinity, { offset: 0, bytes: this.#bytes });\n",
      to: "",
    },
  ]),
  ...inFile("engine/log/bursts", [
    {
      name: "a burst ends although a subscriber is behind",
      from: "if (isWaiting || this.#slowest(channel, burst.offset, -1) !== undefined) return;",
      to: "if (isWaiting) return;",
    },
  ]),
  ...inFile("engine/log/waiting-room", [
    {
      name: "the bytes of waiting appends have no limit",
      from: "return this.bytes === 0 || this.bytes + bytesOf(data) <= this.#parts.most;",
      to: "return data !== undefined || bytesOf(data) > 0;",
    },
  ]),
  ...inFile("engine/log/together", [
    {
      name: "a publication with a key is appended together with others",
      from: "key ?? place ??",
      to: "place ??",
    },
    {
      name: "publications with different retentions are appended together",
      from: "return isAlike && isPlain(one)",
      to: "return isPlain(one)",
    },
    {
      name: "several publications take no room of their turn",
      from: " || !hasRoom(item)) break;",
      to: ") break;",
    },
    {
      name: "any number of publications is appended together",
      from: "items.length === most.count || ",
      to: "",
    },
    {
      name: "publications that nobody waits for are tried again for ever",
      from: "if (waiting === 0) stopped.abort(reason);",
      to: "",
    },
    {
      name: "one publisher that stops waiting stops all that are appended together",
      from: "if (waiting === 0) stopped",
      to: "if (waiting >= 0) stopped",
    },
    {
      name: "a publisher that stops waiting waits for the others",
      from: "      item.reject(reason);\n      waiting--;",
      to: "      waiting--;",
    },
  ]),
  ...inFile("engine/log/log-appender", [
    {
      name: "publications that are appended together have no number",
      from: "const numbered = { ...options, once: this.#writers.next(channel) };",
      to: "const numbered = { ...options };",
    },
    {
      name: "an append in a place that it cannot have is tried again",
      from: "if (this.#ended || isRefusal(error)) throw error;",
      to: "if (this.#ended) throw error;",
    },
    {
      name: "a refused append counts for its writer",
      from: "else if (once !== undefined) this.#writers.undo(channel, once);",
      to: "",
    },
    {
      name: "publications do not wait until the log is joined",
      from: "if (joining !== undefined) return this.#joined(joining, channel, data, options, current);",
      to: "",
    },
    {
      name: "appends to an asynchronous log are not numbered",
      from: "const numbered = this.#isAtOnce ? options : {",
      to: "const numbered = this.#isAtOnce !== false ? options : {",
    },
    {
      name: "an error thrown by the log is not retried",
      from: "      appending = Promise.reject(error);\n    }\n    if (appending",
      to: "      throw error;\n    }\n    if (appending",
    },
    {
      name: "an append is retried after its signal has aborted",
      from: "jittered(wait, clock), signal);",
      to: "jittered(wait, clock));",
    },
    {
      name: "a temporary failure of an append is not retried",
      from: "    if (lasting === undefined) return;\n",
      to: "    if (lasting === undefined) throw error;\n",
    },
    {
      name: "a repeated append has a new number",
      from: "const again = () => log.append(channel, data, asOf(numbered, current));",
      to: "const again = () => log.append(channel, data, { ...numbered, once: this.#writers.next(channel) });",
    },
    {
      name: "what is confirmed names no origin",
      from: "return current === undefined ? options : { ...options, ...current() };",
      to: "return options;",
    },
    {
      name: "a writer continues after an append with an unknown outcome",
      from: "if (!isRefusal(error)) this.#writers.abandon(channel);",
      to: "if (isRefusal(error)) this.#writers.abandon(channel);",
    },
    {
      name: "each publication to a log that never works again is reported",
      from: "if (!this.#isLost) onError(",
      to: "onError(",
    },
  ]),
  ...inFile("engine/log/log-health", [
    {
      name: "an outage that goes on is reported again when a part of the log works",
      from: "!failing.hasWorked || this.#clock.now() - failing.last < calm",
      to: "!failing.hasWorked",
    },
    {
      name: "an outage is over while nobody uses the log",
      from: "!failing.hasWorked || this.#clock",
      to: "this.#clock",
    },
    {
      name: "what is appended ends the outage of what is read",
      from: 'for (const each of [part, "answers"] as const)',
      to: 'for (const each of ["appends", "reads", "answers"] as const)',
    },
    {
      name: "answers that come again do not end the outage of late ones",
      from: 'for (const each of [part, "answers"] as const)',
      to: "for (const each of [part] as const)",
    },
    {
      name: "an outage hides errors that are lasting",
      from: " || isLasting(error)) return false;",
      to: ") return false;",
    },
    {
      name: "an outage hides errors of something else",
      from: "if (outages.length === 0) return false;",
      to: "if (outages.length === 0) return this.#isFailing;",
    },
    {
      name: "an outage of what is read hides one of what is appended",
      from: "outages.every((outage)",
      to: "outages.some((outage)",
    },
    {
      name: "a log that works again counts as lost",
      from: "      failing.isLasting = false;\n",
      to: "",
    },
    {
      name: "each failure begins another outage",
      from: "const failing = this.#current(part) ?? begin(now);",
      to: "const failing = begin(now);",
    },
  ]),
  ...inFile("engine/log/pending-appends", [
    {
      name: "messages to nodes are listed as publications",
      from: 'channel.startsWith("\\0")',
      to: 'channel.startsWith("\\0\\0")',
    },
  ]),
  ...inFile("engine/log/log-reader", [
    {
      name: "a slice with a gap is no failure of the log",
      from: '      health.failed("reads", error);\n      throw error;',
      to: "      throw error;",
    },
    {
      name: "a read that fails is reported by all who are told",
      from: '    this.#parts.health.failed("reads", thrown);\n',
      to: "",
    },
    {
      name: "what is read never ends an outage",
      from: '    health.worked("reads");\n',
      to: "",
    },
  ]),
  ...inFile("engine/log/log-failure", [
    {
      name: "a gap between the entries of a slice is accepted",
      from: "if (offset !== next) throw torn(",
      to: "if (offset < next) throw torn(",
    },
    {
      name: "an empty slice below the top is accepted",
      from: "if (entries.length === 0 && before < top && (last ?? limit) > 0)",
      to: "if (entries.length === 0 && before < first - 1)",
    },
    {
      name: "the last entries of a slice may end below the top",
      from: "(last === undefined ? before : Math.max(before, top - entries.length)) + 1",
      to: "(last === undefined ? before : (entries[0]?.offset ?? 1) - 1) + 1",
    },
    {
      name: "the last entries of a slice may end beyond the top",
      from: "if (last !== undefined && next > top + 1)",
      to: "if (last !== undefined && next < 0)",
    },
    {
      name: "a slice of the last entries may be empty below the top",
      from: "(last ?? limit) > 0",
      to: "limit > 0 && last === undefined",
    },
    {
      name: "a TypeError of a failed fetch counts as a programming error",
      from: "error instanceof TypeError && error.cause === undefined",
      to: "error instanceof TypeError",
    },
  ]),
  ...inFile("engine/log/pace", [
    {
      name: "a publication that reaches the log in a later turn counts in none",
      from: "this.#count(this.#takenOf(channel), costOf(chars, assumed(keeps).slack));",
      to: "void keeps;",
    },
    {
      name: "a turn has no time limit",
      from: " || this.#parts.clock.now() - this.#began >= maxTurnTime;",
      to: ";",
    },
    {
      name: "a turn has no byte limit",
      from: "this.#isSpent = this.#bytes >= this.#budget ||",
      to: "this.#isSpent = this.#bytes < 0 ||",
    },
    {
      name: "appends run for any time without a pause for the sockets",
      from: "    if (now - this.#busySince < restAfter) return false;\n",
      to: "    if (now - this.#busySince < 1e9) return false;\n",
    },
    {
      name: "each turn is followed by a pause for the sockets",
      from: "    this.#busySince = now;\n    return true;",
      to: "    return true;",
    },
    {
      name: "a turn may append more than the log keeps of a channel",
      from: "    if (!fits) return false;\n",
      to: "",
    },
    {
      name: "the size limit of the log does not limit a turn",
      from: "return Math.min(bytes, size * entryCost) + slack;",
      to: "return bytes + slack + 0 * size;",
    },
  ]),
  ...inFile("engine/log/read-backwards", [
    {
      name: "a reverse history reads more than a reply may hold",
      from: "chars += charsOf(part ?? []);",
      to: "",
    },
    {
      name: "a reverse history reads from the start of the log",
      from: "const lowest = Math.max(0, place.first - 1, end - limit);",
      to: "const lowest = Math.max(0, place.first - 1);",
    },
  ]),
  ...inFile("engine/log/read-page", [
    {
      name: "a history reads more than a reply may hold",
      from: " || chars >= enough) return",
      to: ") return",
    },
    {
      name: "a history ends after its first read",
      from: "const isOver = slice.entries.length === 0 || last === undefined || last.offset >= first.top;",
      to: "const isOver = true;",
    },
  ]),
  ...inFile("engine/log/writers", [
    {
      name: "an idle writer keeps a name that the log may have forgotten",
      from: "    this.#forget(at);\n",
      to: "",
    },
  ]),
  ...inFile("engine/log/commits", [
    {
      name: "a receipt does not wait for the commit",
      from: "    this.#items.push(item);\n    this.#bytes += bytes;\n",
      to: "    resolve(position);\n    this.#items.push(item);\n    this.#bytes += bytes;\n",
    },
    {
      name: "a failed commit is not tried again",
      from: "      this.#resume = undefined;\n      this.run();\n",
      to: "      this.#resume = undefined;\n",
    },
    {
      name: "each commit to a log that never works again is reported",
      from: "if (!this.#isLost && !this.#isOver) onError",
      to: "if (!this.#isOver) onError",
    },
    {
      name: "a lasting error of a commit is tried again",
      from: "if (lasting !== undefined) {",
      to: 'if (lasting?.name === "") {',
    },
    {
      name: "what closing rejected is committed after all",
      from: '    this.#isOver = true;\n    this.#refuse(closed("publish"));',
      to: '    this.#refuse(closed("publish"));',
    },
    {
      name: "a publication whose signal aborted is confirmed all the same",
      from: "      if (isWithdrawn) continue;\n",
      to: "",
    },
    {
      name: "the signal of a committed publication stays linked",
      from: "      unlink();\n      if (isWithdrawn) continue;\n",
      to: "      if (isWithdrawn) continue;\n",
    },
  ]),
  ...inFile("engine/log/log-reader", [
    {
      name: "what a wake has brought is not looked at for other nodes",
      from: "  take(channel: string, slice: Slice): Slice {\n    this.#parts.found(channel, slice);\n",
      to: "  take(channel: string, slice: Slice): Slice {\n    void channel;\n",
    },
    {
      name: "what was read is not looked at for other nodes",
      from: "    this.#parts.looked(channel, slice, sequence);\n    this.#parts.found(channel, slice);\n",
      to: "    this.#parts.looked(channel, slice, sequence);\n",
    },
  ]),
];
