import { client } from "./client.ts";
import { inFile, type Mutation } from "./mutation.ts";

export type { Mutation } from "./mutation.ts";

const lifetimes: Mutation[] = [
  ...inFile("scope", [
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
    {
      name: "a wait that is over still listens to its signal",
      from: "        unlink();\n",
      to: "",
    },
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
  ...inFile("wheel", [
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
  ...inFile("gate", [
    {
      name: "sessions in all are not counted",
      from: "const isFull = sessions.size + this.#kept.size >= settings.limits.sessions;",
      to: "const isFull = sessions.size < 0;",
    },
    {
      name: "handshakes under way are not counted",
      from: "sessions.size + this.#kept.size >=",
      to: "sessions.size >=",
    },
    {
      name: "handshakes under way of a user are not counted",
      from: "sessions.countOf(user) + (this.#byUser.get(user) ?? 0) >=",
      to: "sessions.countOf(user) >=",
    },
    {
      name: "a handshake that nobody ends holds its place for ever",
      from: "if (clock.now() - kept.since < settings.limits.connect) return;",
      to: "if (clock.now() >= kept.since) return;",
    },
    {
      name: "a session that was never connected is refused without a word",
      from: "if (wasFresh && refusals.includes(why)) this.refused(why);",
      to: "",
    },
  ]),
  ...inFile("notifier", [
    {
      name: "the grace never ends",
      from: 'scope.timer("grace", grace * share - elapsed, () => deadline.abort());',
      to: "",
    },
    {
      name: "the signal given to close does not end the grace",
      from: "this.#hub.scope.link(signal, () => this.#shares.at(-1)?.deadline.abort());",
      to: "",
    },
    {
      name: "the end of the grace does not end its shares",
      from: "      half.abort();\n      late.abort();\n",
      to: "",
    },
    {
      name: "a grace given to close begins when it is given",
      from: "const elapsed = clock.now() - this.#closingSince;",
      to: "const elapsed = 0 * clock.now();",
    },
    {
      name: "a longer grace given to close lengthens it for stuck peers",
      from: "this.#hub.grace = Math.min(this.#hub.grace, grace);",
      to: "this.#hub.grace = grace;",
    },
    {
      name: "a session is accepted after closing began",
      from: "if (this.#isClosing) return refuse(this.#hub, socket, closes.shutdown);",
      to: "if (!this.#begun) return refuse(this.#hub, socket, closes.shutdown);",
    },
    {
      name: "any number of sessions are accepted",
      from: "    if (!this.admits(peer.user)) return refuse(this.#hub, socket, closes.connectionLimit);\n",
      to: "",
    },
    {
      name: "a publication is accepted after closing began",
      from: 'if (this.#isClosing) return ignorable(Promise.reject(closed("publish")));',
      to: "",
    },
    {
      name: "a run is started after closing began",
      from: 'if (this.#isClosing) throw closed("run");',
      to: "",
    },
    {
      name: "what closing leaves behind stays",
      from: "        hub.end();\n        this.#publisher.clear();\n",
      to: "        this.#publisher.clear();\n",
    },
  ]),
  ...inFile("close", [
    {
      name: "closing tells no run",
      from: 'for (const run of runs) run.cancelBy("shutdown", undefined, cause);',
      to: "",
    },
    {
      name: "runs may take more than half of the grace",
      from: 'hub.settled("runs to end", half,',
      to: 'hub.settled("runs to end", late,',
    },
    {
      name: "a run that ignores its signal is not given up",
      from: 'await hub.settled("runs to be given up", late, Promise.all(runs.map((run) => run.abandon())));',
      to: "",
    },
    {
      name: "closing does not wait for what is under way into the log",
      from: 'await hub.settled("publications under way", deadlines.late, hub.appends.idle());',
      to: "",
    },
    {
      name: "closing waits for peers known to be stuck",
      from: "new Map(Array.from(hub.sessions, (session) => [session, session.pulse.silence]))",
      to: "new Map<LiveSession, number>()",
    },
    {
      name: "who was stuck when closing began counts as stuck for ever",
      from: "if (Math.min(silences.get(session) ?? 0, session.pulse.silence) < hub.grace) return;",
      to: "if ((silences.get(session) ?? 0) < hub.grace) return;",
    },
    {
      name: "entries whose wake is still to come are not flushed",
      from: "for (const channel of hub.channels.values()) channel.refresh();",
      to: "",
    },
    {
      name: "closing leaves no time to acknowledge",
      from: "  hub.hearing = true;\n",
      to: "",
    },
    {
      name: "closing waits for acknowledgements as long as it can",
      from: "    hub.hearing = false;\n",
      to: "",
    },
    {
      name: "closing does not hear of sessions that end",
      from: "hub.onSessionEnd = look;",
      to: "",
    },
    {
      name: "the report ends channels where they were last looked at",
      from: "    known.set(name, now?.top ?? top);\n",
      to: "    known.set(name, top);\n",
    },
    {
      name: "closing waits for subscribers that read for as long as it may take",
      from: "hub.scope.link(deadlines.half, () => hub.appends.hasten());",
      to: "hub.scope.link(deadlines.half, () => {});",
    },
    {
      name: "the log is not closed",
      from: 'await hub.settled("close the log", deadlines.over, hub.log.close());',
      to: "",
    },
  ]),
];

const runs: Mutation[] = [
  ...inFile("task-context", [
    {
      name: "a generator that asks for its signal is stopped at a yield all the same",
      from: "    this.#isHeard = true;\n    return this.#signal;",
      to: "    return this.#signal;",
    },
    {
      name: "a generator that is stopped at a yield is stopped at each",
      from: "    this.#isHeard = true;\n    throw this.#signal.reason;",
      to: "    throw this.#signal.reason;",
    },
  ]),
  ...inFile("live-run", [
    {
      name: "events of a vocabulary pass their own schema",
      from: "(isVocabulary(event.type) && !Object.hasOwn(events, event.type))",
      to: "isVocabulary(event.type)",
    },
    {
      name: "a run emits past the schemas",
      from: "return validated(events, event, {",
      to: "return event ?? validated(events, event, {",
    },
    {
      name: "a run may end twice",
      from: 'if (this.status !== "working") return;\n    let data: string;',
      to: "let data: string;",
    },
    {
      name: "a run that is given up gets no ending",
      from: "this.#abandoned = true;\n    await this.#endCancelled();",
      to: "this.#abandoned = true;",
    },
    {
      name: "events are taken after the ending",
      from: 'if (this.status !== "working") throw new ClosedError(',
      to: "if (this.status === undefined) throw new ClosedError(",
    },
    {
      name: "a run that was cancelled ends as failed",
      from: "await (signal.aborted ? this.#endCancelled() : this.#end(",
      to: "await (this.#abandoned ? this.#endCancelled() : this.#end(",
    },
    {
      name: "a run listens to its caller's signal after its end",
      from: "    this.#unlink();\n",
      to: "",
    },
    {
      name: "a long run's first events go before its last",
      from: "runTtl + this.endedAt - this.#startedAt",
      to: "runTtl",
    },
    {
      name: "a run whose id was used before goes on in the old one's channel",
      from: 'this.#begin(isAgain ? "first" : undefined)',
      to: "this.#begin(undefined)",
    },
    {
      name: "a run whose ending could not be written is said to have completed",
      from: "this.#abandoned || this.#position === undefined ?",
      to: "this.#abandoned ?",
    },
    {
      name: "a long result is kept with its run",
      from: "if (data.length <= longestKept) this.#text = data;",
      to: "this.#text = data;",
    },
    {
      name: "any progress is kept whole",
      from: "if (data.length <= longestKept) return data;",
      to: "return data;",
    },
    {
      name: "a yield is refused where too much waits",
      from: "this.#append(this.#accepted(event), exempt)",
      to: "this.#append(this.#accepted(event))",
    },
    {
      name: "anything is a reason",
      from: 'if (reason !== undefined && typeof reason !== "string")',
      to: "if (reason === null)",
    },
  ]),
  ...inFile("run-registry", [
    {
      name: "anybody cancels a run that has an owner",
      from: 'if (run.asksToCancel ? !isAuthorized : !this.isCancelledBy(user, id)) return "unknown";',
      to: 'if (run.asksToCancel && !isAuthorized) return "unknown";',
    },
    {
      name: "anybody cancels a run that asks who may",
      from: 'if (run.asksToCancel ? !isAuthorized : !this.isCancelledBy(user, id)) return "unknown";',
      to: 'if (!run.asksToCancel && !this.isCancelledBy(user, id)) return "unknown";',
    },
    {
      name: "the owner of a run that asks who may cancel it is not asked about",
      from: "return run !== undefined && !run.asksToCancel && (",
      to: "return run !== undefined && (",
    },
    {
      name: "anybody follows a run that has an owner",
      from: "if (run.owner !== undefined && run.owner !== user) return false;",
      to: "",
    },
    {
      name: "a run that is not there can be told from one that is another's",
      from: 'if (run === undefined || type === "publish") return false;',
      to: 'if (run === undefined) return undefined;\n    if (type === "publish") return false;',
    },
    {
      name: "a run is remembered for ever",
      from: "const isOver = run.endedAt <= oldest;",
      to: "const isOver = run.endedAt === 0;",
    },
    {
      name: "any number of ended runs is remembered",
      from: "if (!isOver && this.#bytes <= endedBytes) break;",
      to: "if (!isOver) break;",
    },
    {
      name: "an old run is read before the new one of its id has begun",
      from: 'return this.#runs.get(runOfChannel(channel) ?? "")?.begun;',
      to: "return undefined;",
    },
  ]),
];

const logs: Mutation[] = [
  ...inFile("append-queues", [
    {
      name: "a publication overtakes one before it",
      from: "if (this.#ended || (this.#queues.size > 0 && this.#queues.has(channel))) return undefined;",
      to: "if (this.#ended) return undefined;",
    },
    {
      name: "the log is asked after the queues have ended",
      from: 'if (this.#ended) return Promise.reject(closed("publish"));',
      to: "",
    },
    {
      name: "what waits has no bound",
      from: "if (this.#isFull(data) && steps?.isExempt !== true)",
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
      from: "    if (this.#bursts.holds(channel)) return undefined;\n",
      to: "",
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
  ...inFile("log-appender", [
    {
      name: "an append is tried again after its signal aborted",
      from: "(0.5 + clock.random() / 2), options.signal);",
      to: "(0.5 + clock.random() / 2));",
    },
    {
      name: "a publication that the log refused is given up",
      from: "    if (lasting !== undefined) throw lasting;",
      to: "    throw lasting ?? error;",
    },
    {
      name: "an append that is sent again has another number",
      from: "const appending = log.append(channel, data, numbered);",
      to: "const appending = log.append(channel, data, { ...options, once: this.#writers.next(channel) });",
    },
    {
      name: "a writer goes on after an append that nobody waited for",
      from: "      this.#writers.abandon(channel);\n",
      to: "",
    },
    {
      name: "each try of an outage is reported",
      from: "    this.#isFailing = true;\n",
      to: "",
    },
  ]),
  ...inFile("writers", [
    {
      name: "a writer keeps a name that the log may have forgotten",
      from: "    this.#forget(at);\n",
      to: "",
    },
  ]),
  ...inFile("pace", [
    {
      name: "a turn has no end while there is room",
      from: " || this.#parts.clock.now() - this.#began >= longest;",
      to: ";",
    },
    {
      name: "a turn has room for everything",
      from: "this.#isSpent = this.#bytes >= this.#budget ||",
      to: "this.#isSpent = this.#bytes < 0 ||",
    },
    {
      name: "turns follow one another for ever, and sockets wait",
      from: "    if (now - this.#busySince < restless) return false;\n",
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
  ...inFile("burst", [
    {
      name: "a burst waits for nobody before its log is full",
      from: "const half = (slack > 0 ? surelyKept(kept) : bytes) / 2;",
      to: "const half = slack > 0 ? surelyKept(kept) : bytes;",
    },
    {
      name: "a burst waits for ever for who does not come on",
      from: "slowest !== undefined && now - this.#since < patience;",
      to: "slowest !== undefined;",
    },
    {
      name: "offsets of before a channel began anew are waited for",
      from: "if (offset <= this.offset) this.#marks",
      to: "if (offset < 0) this.#marks",
    },
  ]),
  ...inFile("bursts", [
    {
      name: "a burst is over though somebody is behind",
      from: "if (isWaiting || this.#slowest(channel, burst.offset) !== undefined) return;",
      to: "if (isWaiting) return;",
    },
  ]),
  ...inFile("memory", [
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
  ]),
  ...inFile("memory", [
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
    {
      name: "a channel with a key that counts is forgotten",
      from: " || channel.keys !== undefined",
      to: "",
    },
  ]),
  ...inFile("bounds", [
    {
      name: "a bound that fails is tried again for ever",
      from: "{ ...options, lasting: true }",
      to: "options",
    },
  ]),
  ...inFile("repeats", [
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
      from: "first.expires > now && this.#bytes <= most",
      to: "first.expires > now",
    },
  ]),
  ...inFile("kept", [
    {
      name: "what is beyond the bounds never grows too old",
      from: "age >= youth || this.#measureBeyond()",
      to: "this.#measureBeyond()",
    },
    {
      name: "slack has no bound",
      from: "age >= youth || this.#measureBeyond() > slack",
      to: "age >= youth",
    },
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
    {
      name: "a block that is gone stays in the list of all entries",
      from: "    block.leave();\n",
      to: "",
    },
    {
      name: "a watch that throws keeps the others from hearing",
      from: "} catch {}",
      to: "} finally {\n  }",
    },
  ]),
  ...inFile("block", [
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
    {
      name: "entries in a block stay in the list of all entries",
      from: "      kept.leave();\n",
      to: "",
    },
  ]),
  ...inFile("follow", [
    {
      name: "following skips one between two reads",
      from: "position = { offset: entry.offset, epoch",
      to: "position = { offset: entry.offset + 1, epoch",
    },
    {
      name: "whoever follows misses a wake during a read",
      from: "if (woken) continue;",
      to: "",
    },
    {
      name: "whoever followed is woken for ever",
      from: "    unlisten();\n",
      to: "",
    },
    {
      name: "following never lets the channel go",
      from: "    release();\n",
      to: "",
    },
    {
      name: "whoever follows gets what was read ahead after the signal",
      from: "if (signal?.aborted) throw signal.reason;",
      to: "",
    },
  ]),
];

const channels: Mutation[] = [
  ...inFile("channel", [
    {
      name: "news that come during a read are lost",
      from: 'if (this.epoch === "" || !slice.gapless) {',
      to: 'this.#news = false;\n      if (this.epoch === "" || !slice.gapless) {',
    },
    {
      name: "a channel ignores wakes",
      from: "if (this.subscriptions.size > 0) this.#hub.wakeChannel(this);",
      to: "",
    },
    {
      name: "those who follow are not woken",
      from: "if (this.#wakes !== undefined) for (const wake of [...this.#wakes]) wake();",
      to: "",
    },
    {
      name: "what is longer than one read stays in the log",
      from: "if (slice.top > this.top) this.#news = true;",
      to: "",
    },
    {
      name: "a subscription goes on into another epoch",
      from: "if (subscription.epoch === this.epoch) this.#advance(subscription);\n    else this.lose(subscription);",
      to: "this.#advance(subscription);",
    },
    {
      name: "a channel that began anew tells nobody",
      from: "if (!sameEpoch || subscription.cursor",
      to: "if (subscription.cursor",
    },
    {
      name: "whoever is behind the log's start is not told",
      from: "if (!slice.gapless) return this.lose(subscription);",
      to: "",
    },
    {
      name: "a failed read for somebody behind is the last",
      from: 'subscription.waits = undefined;\n      failed(this, this.#hub, error, "behind");',
      to: 'failed(this, this.#hub, error, "behind");',
    },
    {
      name: "what a channel has not loaded counts as handed on",
      from: "return !this.#mayHaveMore && subscription.cursor >= this.top;",
      to: "return subscription.cursor >= this.top;",
    },
    {
      name: "whoever unsubscribed while the log was read still gets it",
      from: "if (!this.subscriptions.has(subscription)) return;\n      if (!slice.gapless)",
      to: "if (!slice.gapless)",
    },
    {
      name: "a channel is never let go",
      from: "if (this.subscriptions.size === 0 && this.#uses === 0) this.#hub.wakeChannel(this);",
      to: "",
    },
    {
      name: "a channel that was let go is watched for ever",
      from: "    this.#watch.end();\n",
      to: "",
    },
  ]),
  ...inFile("log-watch", [
    {
      name: "a channel let go before its watch came is watched for ever",
      from: "if (this.#ended) this.#dispose();",
      to: "",
    },
  ]),
  ...inFile("tail", [
    {
      name: "the search for a segment ends one too early",
      from: "if ((newest[middle] as Segment).last > offset) high = middle;",
      to: "if ((newest[middle] as Segment).last >= offset) high = middle;",
    },
    {
      name: "a segment aside that ends at an offset counts as following it",
      from: "segment.first <= offset + 1 && offset < segment.last",
      to: "segment.first <= offset + 1 && offset <= segment.last",
    },
    {
      name: "everything that was ever loaded is kept",
      from: "const most = this.#hub.cacheFull ? 0 : this.#hub.settings.window * 2;",
      to: "const most = Number.POSITIVE_INFINITY;",
    },
    {
      name: "everything that was ever read for somebody behind is kept",
      from: "while (this.#aside.length > most)",
      to: "while (this.#aside.length > 1_000_000)",
    },
  ]),
  ...inFile("segment", [
    {
      name: "a segment is cut one too early",
      from: "const from = after + 1 - segment.first;",
      to: "const from = Math.max(0, after - segment.first);",
    },
    {
      name: "a cut piece claims one publication more than it has",
      from: "last: segment.first + to,",
      to: "last: segment.first + to + 1,",
    },
    {
      name: "a recovery begins one too early",
      from: "for (let at = after + 1 - segment.first; at",
      to: "for (let at = Math.max(0, after - segment.first); at",
    },
  ]),
  ...inFile("place", [
    {
      name: "a recovery answers the offset it ends at",
      from: "recovery?.after ?? top}$",
      to: "recovery?.cursor ?? top}$",
    },
    {
      name: "a subscription after a recovery begins one too late",
      from: "cursor += taken.texts.length;",
      to: "cursor += taken.texts.length + 1;",
    },
    {
      name: "who comes back after another is told what that one was told",
      from: "known.present === present && known.notice === notice",
      to: "known.present === present",
    },
    {
      name: "who comes back after another is told how the run stood then",
      from: "known.present === present && known.notice === notice",
      to: "known.notice === notice",
    },
    {
      name: "a subscribe that failed holds its channel",
      from: "andThen(channel.current(), read), release);",
      to: "andThen(channel.current(), read), () => {});",
    },
  ]),
  ...inFile("hub", [
    {
      name: "a slow log holds up who has something to send",
      from: "if (this.#loading > 0) this.#flush();",
      to: "",
    },
    {
      name: "a read in this turn holds up who has something to send",
      from: "    else if (this.#fullSessions.length > 0) this.schedule();\n",
      to: "",
    },
    {
      name: "the owner of an error may forge a line of the log",
      from: "{ stage, owner: printable(owner) }",
      to: "{ stage, owner }",
    },
  ]),
];

const sessions: Mutation[] = [
  ...inFile("window", [
    {
      name: "a window is never full",
      from: "return this.#size - this.#inFlight;",
      to: "return this.#size;",
    },
    {
      name: "a window counts only replies",
      from: "    this.#queued += bytes;\n",
      to: "    if (!areData) this.#queued += bytes;\n",
    },
    {
      name: "a window counts only publications",
      from: "    this.#queued += bytes;\n",
      to: "    if (areData) this.#queued += bytes;\n",
    },
    {
      name: "a pong without a ping is accepted",
      from: "if (!this.hasPing) return false;",
      to: "if (!this.hasPing) return true;",
    },
    {
      name: "a pong proves what was sent after its ping",
      from: "this.#proven = this.#barrier;",
      to: "this.#proven = this.#sent;",
    },
    {
      name: "what was sent with an unanswered ping is reported as read",
      from: "if (proof.barrier <= this.#pongs) return cursor;",
      to: "if (proof.barrier <= this.#pings) return cursor;",
    },
    {
      name: "what came with a recovery is reported as read",
      from: "const barrier = cursor > after ? this.#pings + 1 : 0;",
      to: "const barrier = 0;",
    },
  ]),
  ...inFile("pulse", [
    {
      name: "a permission never ends",
      from: "return this.#expiresAt !== undefined && this.remaining <= 0;",
      to: "return false;",
    },
    {
      name: "a slow peer has no longer than a silent one",
      from: "(this.#behindData ? slow : pong)",
      to: "pong",
    },
    {
      name: "whoever never connects stays",
      from: "this.#lateAt = hub.clock.now() + hub.settings.limits.connect;",
      to: "this.#lateAt = Number.POSITIVE_INFINITY;",
    },
    {
      name: "a ping may go unanswered for ever",
      from: "if (this.#excused > 0 || now - pongBy < tolerance) return this.#session.silent(this.#behindData);",
      to: "",
    },
    {
      name: "a process that was held up takes its peers to be silent",
      from: "if (this.#excused > 0 || now - pongBy < tolerance) return",
      to: "return",
    },
    {
      name: "a peer is excused each time that the process is held up",
      from: "this.#excused > 0 || now",
      to: "now",
    },
    {
      name: "a second ping leaves before the first is answered",
      from: "if (!this.#window.hasPing) this.#session.beat();",
      to: "this.#session.beat();",
    },
  ]),
  ...inFile("session", [
    {
      name: "sessions are kept after their end",
      from: "    this.hub.leave(this);\n",
      to: "",
    },
    {
      name: "somebody who has said who it is goes on as who it was",
      from: "this.peer = { ...this.peer, ...identity };",
      to: "",
    },
    {
      name: "who it is may be said with another's permission to decide",
      from: "    if (identity.expires !== undefined) this.pulse.extend(identity.expires);\n",
      to: "",
    },
    {
      name: "subscriptions stay on their channels after their session",
      from: "for (const subscription of [...this.subscriptions]) this.drop(subscription);",
      to: "",
    },
    {
      name: "closing does not wait for the pong",
      from: "else if (this.window.isClear && !owesWord) this.close(closes.shutdown);",
      to: "else if (this.isOpen && !owesWord) this.close(closes.shutdown);",
    },
    {
      name: "closing does not wait until everybody has caught up",
      from: "if (!subscription.channel.isCaughtUp(subscription)) return;",
      to: "",
    },
    {
      name: "what is queued is lost by a close",
      from: "    this.flush();\n    this.revoke(why);",
      to: "    this.revoke(why);",
    },
    {
      name: "a session is heard and answered after it was closed",
      from: 'return this.#phase === "fresh" || this.isConnected;',
      to: 'return this.#phase !== "over";',
    },
    {
      name: "a session whose permission has ended gets what is queued",
      from: "if (!this.isOpen || this.hasExpired()) return;\n    if (this.#needsBarrier())",
      to: "if (!this.isOpen) return;\n    if (this.#needsBarrier())",
    },
    {
      name: "a handler is not told that its session is over",
      from: "asking.abort(new ClosedError(",
      to: "void (new ClosedError(",
    },
    {
      name: "a subscription that is lost is not told",
      from: "else this.unsubscribed(subscription.channel.name, unsubscribes.insufficientState);",
      to: "",
    },
    {
      name: "the loss of the server's subscription leaves the session open",
      from: "if (subscription.byServer) this.close(closes.insufficientState);\n    else ",
      to: "",
    },
    {
      name: "a socket that is cut is not torn down",
      from: 'if (this.#phase === "closing") this.#onSocket(() => this.#socket.terminate?.());',
      to: "",
    },
  ]),
  ...inFile("request", [
    {
      name: "whatever is not false is a permission",
      from: "return allowed === true;",
      to: "return allowed !== false;",
    },
  ]),
];

const publishing: Mutation[] = [
  ...inFile("publisher", [
    {
      name: "a publication that nobody awaits ends a process that closes",
      from: "return ignorable(appends.append(channel, text, how).then(appended));",
      to: "return appends.append(channel, text, how).then(appended);",
    },
    {
      name: "one key is one publication in all channels together",
      from: "this.#once.do(JSON.stringify([channel, key]), ",
      to: "this.#once.do(key, ",
    },
    {
      name: "whoever stops waiting takes a publication from those who share its key",
      from: "const { signal, ...rest } = options;",
      to: "const { signal } = options;\n    const rest = options;",
    },
  ]),
  ...inFile("once", [
    {
      name: "a key is forgotten at once",
      from: "if (until > now && this.#done.size <= most) return;",
      to: "",
    },
    {
      name: "a key is forgotten while its first publication is under way",
      from: "const known = this.#pending.get(key) ?? this.#done.get(key)?.promise;",
      to: "const known = this.#done.get(key)?.promise;",
    },
    {
      name: "a key is never free again after a failure",
      from: "      () => over(false),\n",
      to: "      () => {},\n",
    },
  ]),
  ...inFile("validate", [
    {
      name: "what every object has counts as a type that is listed",
      from: "Object.hasOwn(schemas, type) ? schemas[type] : undefined;",
      to: "schemas[type];",
    },
    {
      name: "a schema may give an event another type",
      from: "return { event: { type, ...rest } };",
      to: "return { event: { type, ...rest, ...made.event } };",
    },
    {
      name: "an event is written as it was given, and not as its schema made it",
      from: "const { type: _, ...rest } = made.event as { type?: unknown };",
      to: "const { type: _, ...rest } = event;",
    },
    {
      name: "a schema that has the type in it is never given it",
      from: 'return "event" in second || first.lacksType ? second : first;',
      to: "return first;",
    },
    {
      name: "what an asynchronous schema rejects with ends the process",
      from: "ignorable(Promise.resolve(result));",
      to: "Promise.resolve(result);",
    },
    {
      name: "a schema that answers later is asked again",
      from: " || first === asynchronous",
      to: "",
    },
    {
      name: "what a schema makes of an event may say itself what JSON is to write",
      from: "return isOwnClass(value) && !isSelfMade(value as object);",
      to: "return isOwnClass(value);",
    },
    {
      name: "what a schema threw is kept from whoever publishes",
      from: 'return { why: "its schema threw", cause, isFault: true, lacksType: true };',
      to: 'return { why: "its schema threw", isFault: true, lacksType: true };',
    },
  ]),
  ...inFile("answer", [
    {
      name: "the first frame is as short as it happens to be",
      from: "text + spaces.slice(text.length)",
      to: "text",
    },
  ]),
  ...inFile("values", [
    {
      name: "a publication is measured in characters",
      from: "if (exceeds(text, most)) throw",
      to: "if (text.length > most) throw",
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
      from: '  if (isCycle(part, around)) return " is a cycle";\n',
      to: "",
    },
  ]),
  ...inFile("confirm", [
    {
      name: "what had no room when closing began is reported, too",
      from: "if (isRefused) hub.ledger.givenUp.over(confirmation);\n    else hub",
      to: "hub",
    },
    {
      name: "a publication that the log never took keeps its room",
      from: "if (isAdmitted && entry === undefined)",
      to: "if (false)",
    },
  ]),
  ...inFile("room", [
    {
      name: "whoever comes overtakes those who wait for room",
      from: "if (this.#channelFits(waiting.taken(), waiting.bytes)) return false;",
      to: "if (this.#channelFits(waiting.taken(), waiting.bytes)) return true;",
    },
    {
      name: "one more may wait to be confirmed than may",
      from: "taken.confirmed < most &&",
      to: "taken.confirmed <= most &&",
    },
    {
      name: "a run's ending has room for one less than it has",
      from: "this.confirmed > this.#limits.confirmedTotal ||",
      to: "this.confirmed >= this.#limits.confirmedTotal ||",
    },
    {
      name: "whoever waits for room is not told that there is some",
      from: "      taken.bytes -= bytes;\n    }\n    this.#serve();",
      to: "      taken.bytes -= bytes;\n    }",
    },
  ]),
];

const receipts: Mutation[] = [
  ...inFile("ledger", [
    {
      name: "whoever waits for room waits on while closing",
      from: 'if (this.givenUp.isClosing) return Promise.reject(closed("publish"));',
      to: "",
    },
    {
      name: "a confirmed publication that has arrived keeps its room",
      from: "this.release(book.channel, ",
      to: "void (book.channel, ",
    },
    {
      name: "a run's ending takes room from others",
      from: "return isEnding ? this.#endings : this.#room;",
      to: "return isEnding ? this.#room : this.#room;",
    },
    {
      name: "nobody is told in time of a publication that expires",
      from: "    this.#lookAround(entry);\n    this.#expiries.arm();\n    return entry;",
      to: "    this.#lookAround(entry);\n    return entry;",
    },
    {
      name: "closing leaves those waiting who wait for room",
      from: 'this.#room.refuse(closed("publish"));',
      to: "",
    },
    {
      name: "nothing is remembered of those who left",
      from: "if (cursor > proof.since) this.departed.add(channel.name, epoch, standingOf(subscription));",
      to: "void cursor;",
    },
    {
      name: "nobody is watched who was sent a publication before it was waited for",
      from: "if (subscription.cursor >= position.offset) follow(subscription);",
      to: "void subscription;",
    },
    {
      name: "what waits in a channel whose log began anew is waited for",
      from: 'for (const entry of [...book.entries.values()]) this.giveUp(entry, "trimmed");\n      book.epoch = epoch;',
      to: "book.epoch = epoch;",
    },
  ]),
  ...inFile("book", [
    {
      name: "how far somebody came in one epoch counts for another",
      from: "if (epoch !== this.epoch) return;",
      to: "void epoch;",
    },
    {
      name: "what is under way is given up when the log trims it",
      from: "if (entry.isTrimmed && !this.#isUnderWay(entry))",
      to: "if (entry.isTrimmed)",
    },
    {
      name: "what the log has trimmed is waited for",
      from: "if (entry.position.offset < first) entry.isTrimmed = true;",
      to: "void entry;",
    },
    {
      name: "nobody looks whether the log still holds what is waited for",
      from: "hub.log.read(this.channel, { limit: 0 }).catch(failed);",
      to: "void failed;",
    },
  ]),
  ...inFile("standing", [
    {
      name: "what a client that acknowledges has read has arrived",
      from: "discharged: session.acknowledges ? acknowledged : read,",
      to: "discharged: read,",
    },
    {
      name: "what comes to a client that has asked to leave counts as read",
      from: "Math.max(quit ?? window.readOf(proof, cursor), acknowledged)",
      to: "Math.max(window.readOf(proof, cursor), acknowledged)",
    },
    {
      name: "what was published before somebody came counts as theirs",
      from: "(standing.since < offset && offset <= standing[level])",
      to: "offset <= standing[level]",
    },
    {
      name: "what somebody received after they had been away is forgotten",
      from: "    stretches.push(standing);\n",
      to: "    if (last === undefined) stretches.push(standing);\n",
    },
  ]),
  ...inFile("acknowledgement", [
    {
      name: "who comes back is compared with any number of a user's sessions",
      from: "if (hub.sessions.countOf(identity) > mostSessions) return;",
      to: "void mostSessions;",
    },
    {
      name: "a channel that is no text is asked for its text, which may throw",
      from: 'typeof channel === "string" ? session.subscriptions.get(channel) : undefined',
      to: "session.subscriptions.get(String(channel))",
    },
    {
      name: "a client that acknowledges less than before takes back its word",
      from: "if (offset <= before) return;",
      to: "",
    },
    {
      name: "whoever comes back speaks for the longest stretch it may have come from",
      from: "since > (than?.since ?? -1)",
      to: "since < (than?.since ?? Infinity)",
    },
    {
      name: "a client acknowledges what it was never sent",
      from: "return offset > session.window.writtenOf(proof, cursor) ? replies.badRequest : undefined;",
      to: "return [proof, cursor].length > 2 ? replies.badRequest : undefined;",
    },
    {
      name: "a client acknowledges what is of another epoch",
      from: "if (epoch !== subscription.channel.epoch) return replies.unrecoverable;",
      to: "void epoch;",
    },
  ]),
  ...inFile("place", [
    {
      name: "coming back says nothing of what was received",
      from: "if (recovery !== undefined) resumed(session, name, { epoch, offset: recovery.after });",
      to: "",
    },
  ]),
  ...inFile("tracking", [
    {
      name: "nobody asks whether what a receipt waits for was read",
      from: "if (subscription.channel.book?.wantsReading(subscription)) return true;",
      to: "void subscription;",
    },
  ]),
  ...inFile("heap", [
    {
      name: "what expires later stands before what expires sooner",
      from: "if (isBefore(item, other)) break;",
      to: "if (isBefore(other, item)) break;",
    },
    {
      name: "what sinks changes places with the later of two",
      from: "isBefore(items[below + 1] as T, items[below] as T)) below++;",
      to: "isBefore(items[below] as T, items[below + 1] as T)) below++;",
    },
  ]),
  ...inFile("expiry", [
    {
      name: "the timer is not moved to what expires sooner",
      from: "if (this.#armed !== undefined && due !== Infinity && due >= this.#armed.due) return;",
      to: "if (this.#armed !== undefined && due !== Infinity) return;",
    },
  ]),
  ...inFile("notice", [
    {
      name: "somebody is told again within five seconds",
      from: "(known?.at ?? 0) >= interval;",
      to: "(known?.at ?? 0) >= 0;",
    },
    {
      name: "somebody who was told is never told again",
      from: "if (known === undefined ? this.#told.size >= most : !isOver) return undefined;",
      to: "if (known === undefined ? this.#told.size >= most : !isOver) return undefined;\n    this.begin = () => undefined;",
    },
    {
      name: "what is owed is never said",
      from: "this.#hub.wheel.set(told, told.at + interval);",
      to: "",
    },
    {
      name: "whoever was held up for a moment is told",
      from: "if (behind === undefined || clock.now() - behind.since < late) return;",
      to: "if (behind === undefined) return;",
    },
  ]),
];

const hosts: Mutation[] = [
  ...inFile("hono", [
    {
      name: "an upgrade that was in flight when closing began is let in",
      from: "looked up.\n    if (notifier.closing.aborted) throw refuse(503, closing);",
      to: "looked up.",
    },
    {
      name: "any web page may connect",
      from: "if (!(allowing instanceof Promise ? await allowing : allowing))",
      to: "await allowing;\n    if (false)",
    },
    {
      name: "whatever a function of origins answers that is not false lets a page in",
      from: "(allowed) => allowed === true,",
      to: "Boolean,",
    },
    {
      name: "any number of sessions are upgraded",
      from: 'if (typeof place === "string") throw refuse(503, `limits.',
      to: 'if (typeof place === "string") return new PeerHandlers(notifier, identity, () => {});\n    if (typeof place === "string") throw refuse(503, `limits.',
    },
    {
      name: "an exception of another copy of Hono is an error of the authenticator",
      from: 'return error instanceof Error && typeof (error as { getResponse?: unknown }).getResponse === "function";',
      to: "return error instanceof HTTPException;",
    },
    {
      name: "nobody hears of a refused handshake",
      from: "notifier.refused({ path: c.req.path, ...refused });",
      to: "",
    },
  ]),
  ...inFile("origins", [
    {
      name: "an origin is anything with the host in it",
      from: "return page.origin === origin.toLowerCase() && page.host",
      to: "return page.host",
    },
    {
      name: "a proxy may not write the scheme's own port",
      from: "page.host === urlOf(",
      to: "page.host === ((_: string) => ({ host: host.toLowerCase() }))(",
    },
    {
      name: "an origin is listed as it was written",
      from: "if (url !== undefined) return url.origin;",
      to: "if (url !== undefined) return given;",
    },
    {
      name: "a Host may hold more than a host",
      from: String.raw` || /[/?#@\\\s]/.test(host)`,
      to: "",
    },
  ]),
  ...inFile("handlers", [
    {
      name: "a refused handshake keeps its place",
      from: "    peer?.abandon();\n    peer?.refused(",
      to: "    peer?.refused(",
    },
    {
      name: "an upgrade that cannot be is not reported",
      from: "else if (peer !== undefined) peer.report(error, c.req.path);",
      to: "else if (peer !== undefined) return refuse(500, String(error));",
    },
    {
      name: "the end of a socket does not end its session",
      from: "this.#session?.ended(code === 0 ? 1006 : code);",
      to: "",
    },
    {
      name: "handlers that were taken apart do not hear of the end",
      from: "handlers.onClose(event),",
      to: "{},",
    },
    {
      name: "a session cannot tear down its socket",
      from: "(this.#ws.raw as RawSocket | undefined)?.terminate?.();",
      to: "",
    },
  ]),
  ...inFile("handshake", [
    {
      name: "a handshake without its key is left to the runtime",
      from: 'if (!/^[+/0-9A-Za-z]{22}==$/.test(c.req.header("sec-websocket-key") ?? ""))',
      to: 'if (c.req.header("sec-websocket-key") === "")',
    },
    {
      name: "a handshake of any version is left to the runtime",
      from: 'if (c.req.header("sec-websocket-version") === "13") return undefined;',
      to: "if (c.req.url !== undefined) return undefined;",
    },
    {
      name: "a request whose env is not handed on has lost its handshake",
      from: "(c.env as Carrying | undefined)?.[carried] ?? (c.req.raw as Carrying)[carried]",
      to: "(c.env as Carrying | undefined)?.[carried]",
    },
    {
      name: "the app's headers take the place of those of the upgrade",
      from: "return [...headers].filter(([name]) => !ownHeaders.test(name));",
      to: "return [...headers];",
    },
    {
      name: "what was said before the upgrade is lost",
      from: "return c.body(null);",
      to: "return new Response(null);",
    },
  ]),
  ...inFile("host", [
    {
      name: "whoever is at no path of an app is refused without a word",
      from: "if (isRefused && !handshake.isTold) refused(request.url, response.status, reasonOf(response));",
      to: "",
    },
    {
      name: "what is refused is told twice",
      from: "if (isRefused && !handshake.isTold)",
      to: "if (isRefused)",
    },
    {
      name: "responses in flight are cut at once",
      from: 'if (!deadline.aborted) await attempt(() => scope.follow("responses", deadline, opened.drained()));',
      to: "",
    },
    {
      name: "what is left at the deadline is not cut",
      from: "await attempt(() => opened.cut());",
      to: "",
    },
    {
      name: "a server has no deadline",
      from: 'scope.timer("grace of the server", grace, expire);',
      to: "",
    },
    {
      name: "a server does not hear of its notifier's closing",
      from: "for (const { closing } of notifiers) scope.link(closing, begin);",
      to: "",
    },
  ]),
  ...inFile("upgrade", [
    {
      name: "the adapter's own WebSockets are not let in",
      from: "const env = { ...this.#env, incoming: request };",
      to: "const env = { incoming: request };",
    },
    {
      name: "what the app says in the head of an upgrade is lost",
      from: 'if (lines.length > 0) this.#webSockets.once("headers", add);',
      to: "",
    },
    {
      name: "who is still sending is reset, and does not read why it was closed",
      from: "endWithPeer(this.#tcp);",
      to: "",
    },
  ]),
  ...inFile("hook", [
    {
      name: "a hook that rejects ends the process",
      from: "handled(call, () => {}, failed);",
      to: "handled(call, () => {}, (error) => { throw error; });",
    },
  ]),
  ...inFile("node", [
    {
      name: "a handshake is read without the headers that Node left out",
      from: "if (rawHeaders.length >= 2 * mostHeaders)",
      to: "if (rawHeaders.length < 0)",
    },
    {
      name: "a host that no URL can have is the server's fault",
      from: 'return { code: 400, reason: "the Host is none that a URL can have" };',
      to: "return undefined;",
    },
    {
      name: "idle connections are not freed when closing begins",
      from: "for (const [socket, count] of requests) if (count === 0) socket.destroy();",
      to: "",
    },
    {
      name: "a request in flight counts as none",
      from: "requests.set(socket, (requests.get(socket) ?? 0) + 1)",
      to: "requests.set(socket, requests.get(socket) ?? 0)",
    },
    {
      name: "WebSockets are not cut",
      from: "for (const socket of [...requests.keys(), ...webSockets]) socket.destroy();",
      to: "for (const socket of requests.keys()) socket.destroy();",
    },
    {
      name: "who is still sending is reset where the adapter has let it in",
      from: "() => endWithPeer(socket));",
      to: "() => {});",
    },
    {
      name: "a peer that keeps its side open after a refusal holds its connection",
      from: "endWithUs(socket);",
      to: "",
    },
  ]),
];

const defences: Mutation[] = [
  ...inFile("check", [
    {
      name: "a channel's name is taken for a list of names",
      from: "if (!Array.isArray(channels))",
      to: "if (channels === null)",
    },
    {
      name: "whoever nobody can be is disconnected without a word",
      from: 'if (typeof (user ?? session) === "string") return;',
      to: "if ([user, session].length > 0) return;",
    },
  ]),
  ...inFile("live-run", [
    {
      name: "nobody hears that the announcement of an ending is lost",
      from: "this.#tell(data).catch((error: unknown) => this.#lost(error));",
      to: "this.#tell(data);",
    },
  ]),
  ...inFile("revocation", [
    {
      name: "whoever is disconnected gets what was queued",
      from: "if (isMeant) session.revoke(",
      to: "if (isMeant) session.close(",
    },
    {
      name: "what a reply holds of a channel is sent after it was taken from the peer",
      from: "if (!session.out.withhold(channel, session.hub.codec)) return session.revoke(closes.reconnect);",
      to: "session.out.withhold(channel, session.hub.codec);",
    },
    {
      name: "what is queued of a channel is sent after it was taken from the peer",
      from: "if (!session.out.withhold(channel, session.hub.codec)) return session.revoke(closes.reconnect);",
      to: "",
    },
    {
      name: "what was granted stays granted after it was taken away",
      from: "peer.channels.filter((name) => name !== channel)",
      to: "peer.channels",
    },
  ]),
  ...inFile("intake", [
    {
      name: "an allowance is never used up",
      from: "* rate) - commands * 1_000;",
      to: "* rate);\n    void commands;",
    },
    {
      name: "an allowance never grows back",
      from: "this.#allowance + (now - this.#at) * rate",
      to: "this.#allowance",
    },
    {
      name: "an allowance grows without end",
      from: "Math.min(burst * 1_000, this.#allowance",
      to: "Math.max(burst * 1_000, this.#allowance",
    },
    {
      name: "whoever is over the rate is never closed",
      from: 'return this.#allowance < -burst * 1_000 ? "rate" : undefined;',
      to: "return undefined;",
    },
    {
      name: "commands that wait may be as long as they like",
      from: 'if (this.#chars > commandChars) return "commandChars";',
      to: "",
    },
    {
      name: "commands are held to be waiting after they were answered",
      from: "this.#weigh(-next.chars);",
      to: "",
    },
    {
      name: "the commands of all sessions together may be as long as they like",
      from: 'if (this.#chars > commandTotalChars - this.#all.chars) return "commandTotalChars";',
      to: "void commandTotalChars;",
    },
    {
      name: "what waited of who is gone is counted for ever",
      from: "    this.#count = 0;\n    this.#weigh(-this.#chars);",
      to: "    this.#count = 0;\n    this.#chars = 0;",
    },
  ]),
  ...inFile("few", [
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
  ...inFile("roster", [
    {
      name: "who has no name is looked for as a user",
      from: 'return user === "" ? this : this.of(user);',
      to: "return this.of(user);",
    },
    {
      name: "a session that ends makes no room for its user",
      from: "present instanceof Set ? present.delete(session) : present === session;",
      to: "present instanceof Set ? present.delete(session) : false;",
    },
    {
      name: "a user's sessions count as one",
      from: "return present instanceof Set ? present.size : 1;",
      to: "return 1;",
    },
  ]),
  ...inFile("outbox", [
    {
      name: "what is queued for a channel leaves after it was taken from the peer",
      from: "for (const text of texts) if (!heads.some((head) => text.startsWith(head))) this.push(text);",
      to: "for (const text of texts) this.push(text);",
    },
    {
      name: "a reply's content is forgotten before it has left",
      from: "for (const name of channels) this.#answered.add(name);",
      to: "",
    },
    {
      name: "a channel that was taken away once is refused for ever",
      from: "  begin(): void {\n    this.#withheld = undefined;",
      to: "  begin(): void {",
    },
  ]),
  ...inFile("answer", [
    {
      name: "a command that was allowed is answered after its channel was taken away",
      from: "if (channels.some((name) => session.out.isWithheld(name))) {",
      to: "if (channels.length < 0) {",
    },
    {
      name: "commands over the rate are answered",
      from: 'if (isOver) throw new Refusal(replies.tooManyRequests, "rate");',
      to: "",
    },
    {
      name: "answers that nobody gets are errors",
      from: "if (id === 0 || !session.isOpen) return;",
      to: "if (id === 0) return;",
    },
  ]),
  ...inFile("connect", [
    {
      name: "nobody is asked who connects",
      from: "andThen(identify(session, params), () =>",
      to: "andThen(undefined, () =>",
    },
    {
      name: "a token that is invalid connects",
      from: "if (identity === null || !session.isOpen) return over(session, closes.invalidToken);",
      to: "if (identity === null) return;",
    },
    {
      name: "a session that has ended takes the room of who it would have been",
      from: "if (identity === null || !session.isOpen)",
      to: "if (identity === null)",
    },
    {
      name: "a token that has expired closes before its error is told",
      from: "throw new Refusal(replies.tokenExpired);",
      to: "return over(session, closes.expired);",
    },
    {
      name: "a token is as good as room for its user",
      from: "if (!hub.gate.isFullOf(identity.user)) return session.become(identity);",
      to: "return session.become(identity);",
    },
    {
      name: "a refresh with a token that has expired is an error, at which clients give up",
      from: "if (expires <= hub.clock.time()) return over(session, closes.expired);",
      to: "if (expires <= hub.clock.time()) throw new Refusal(replies.tokenExpired);",
    },
  ]),
  ...inFile("place", [
    {
      name: "what was found in another turn is given though the log has lost it",
      from: " && isStill(known, hub, after))",
      to: ")",
    },
    {
      name: "any number of channels are opened",
      from: 'if (hub.isFullFor(name)) throw new Refusal(replies.limitExceeded, "channels");',
      to: "",
    },
  ]),
  ...inFile("protocol", [
    {
      name: "what is beside each other is nested",
      from: "if (isDeeper((value as Record<string, unknown>)[name], levels - 1)) return true;",
      to: "if (isDeeper((value as Record<string, unknown>)[name], --levels)) return true;",
    },
    {
      name: "nesting has no end",
      from: "if (levels === 0) return true;",
      to: "",
    },
  ]),
  ...inFile("check", [
    {
      name: "a channel's name may be anything",
      from: "return /^[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]+$/u.test(text);",
      to: 'return text !== "";',
    },
  ]),
  ...inFile("given-up", [
    {
      name: "what closing gives up is not in its report",
      from: "    this.#rows = [];\n",
      to: "",
    },
    {
      name: "a confirmed publication that closing keeps out of the log is not reported",
      from: "if (confirmation.content.isEnding || error instanceof ClosedError)",
      to: "if (confirmation.content.isEnding)",
    },
    {
      name: "an ending that the log refuses is not reported",
      from: "if (confirmation.content.isEnding || error instanceof ClosedError)",
      to: "if (error instanceof ClosedError)",
    },
  ]),
  ...inFile("outage", [
    {
      name: "whoever waits for a pause that ends sooner waits for the next news",
      from: "  hub.wakeChannel(channel);\n",
      to: "",
    },
    {
      name: "a log that failed is asked again only once",
      from: "      this.#cancel = undefined;\n",
      to: "",
    },
    {
      name: "pauses do not grow",
      from: "this.#pause = Math.min(this.#pause * 2, pause.longest);",
      to: "",
    },
    {
      name: "a channel that cannot be read is told of at each look",
      from: "if (message !== this.#told) ",
      to: "",
    },
    {
      name: "news shorten the pause",
      from: "return outage?.isPausing === true;",
      to: "return outage?.isPausing === undefined;",
    },
    {
      name: "what will never be read is waited for",
      from: "for (const subscription of [...channel.subscriptions]) channel.lose(subscription);",
      to: "",
    },
  ]),
  ...inFile("log-failure", [
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
  ...inFile("follow", [
    {
      name: "following goes on waiting though it was ended",
      from: "    following.isOver = true;\n    following.wake();\n",
      to: "    following.isOver = true;\n",
    },
  ]),
  ...inFile("check", [
    {
      name: "any number is an offset",
      from: "  if (!isNatural(offset))",
      to: "  if ((offset as number) < 0)",
    },
  ]),
  ...inFile("bytes", [
    {
      name: "a text is cut inside a character",
      from: "isHigh ? most - 1 : most",
      to: "most",
    },
  ]),
  ...inFile("hub", [
    {
      name: "a closed log leaves its sessions where they are",
      from: "for (const session of [...this.sessions]) session.close(closes.internal);",
      to: "",
    },
  ]),
  ...inFile("failure", [
    {
      name: "a redactor that fails shows what it was to hide",
      from: 'return { name: "Error", message: "failed" };',
      to: "return describe(error);",
    },
    {
      name: "nobody asks the redactor",
      from: "const { redact = describe } = hub;",
      to: "const redact: typeof describe = describe;",
    },
  ]),
  ...inFile("cached", [
    {
      name: "answers of one connection are another's",
      from: "const remembered = known.get(peer)?.get(key);",
      to: "const remembered = [...[peer]].map((each) => known.get(each)?.get(action.channel))[0];",
    },
    {
      name: "an answer is remembered for ever",
      from: "if (remembered !== undefined && clock.now() < remembered.until)",
      to: "if (remembered !== undefined)",
    },
    {
      name: "an answer that was looked up before all were forgotten is remembered",
      from: "const asked = known;",
      to: "const asked = { get: (one: Peer) => known.get(one), set: (one: Peer, all: Map<string, Remembered>) => known.set(one, all) };",
    },
    {
      name: "any number of answers are remembered",
      from: "if (answers.size <= size) break;",
      to: "break;",
    },
  ]),
  ...inFile("tokens", [
    {
      name: "a later token may be somebody else's",
      from: "return found?.user === user ? found.expires : null;",
      to: "return found === null ? null : found.expires;",
    },
    {
      name: "a secret may be short",
      from: "new TextEncoder().encode(secret).length < 32",
      to: 'secret === ""',
    },
    {
      name: "a public key may be given for a secret",
      from: "const allowed = listOf(algorithms, /^HS(256|384|512)$/);",
      to: "const allowed = [...algorithms];",
    },
    {
      name: "a token without claims is an error of ours",
      from: 'typeof payload === "object" && payload !== null ? await check(token) : undefined',
      to: "payload === undefined ? undefined : await check(token)",
    },
    {
      name: "an invalid token is reported, with what it holds",
      from: 'if (error instanceof Error && error.name.startsWith("Jwt")) return undefined;',
      to: "",
    },
    {
      name: "an empty audience is no audience",
      from: "if (value !== undefined && value.length === 0)",
      to: "if (value !== undefined && value.length < 0)",
    },
  ]),
  ...inFile("keys", [
    {
      name: "keys that peers make up are fetched each time",
      from: "(this.#fetching !== undefined || now - this.#triedAt >= interval)",
      to: "now > 0 - interval",
    },
    {
      name: "everybody who waits for keys fetches them",
      from: "this.#fetching ??= this.#load(url)",
      to: "this.#fetching = this.#load(url)",
    },
    {
      name: "old keys are worse than none",
      from: "if (!isKnown) throw error;",
      to: "throw error;",
    },
    {
      name: "a fetch of keys ends when it likes",
      from: "fetch(url, { signal: ending.signal })",
      to: "fetch(url)",
    },
  ]),
  ...inFile("tickets", [
    {
      name: "a ticket lets in twice",
      from: "    waiting.delete(ticket);\n",
      to: "",
    },
    {
      name: "a ticket never expires",
      from: "if (until > clock.now() && waiting.size <= size) return;",
      to: "if (waiting.size <= size) return;",
    },
    {
      name: "there are as many tickets as anybody likes",
      from: "if (until > clock.now() && waiting.size <= size) return;",
      to: "if (until > clock.now()) return;",
    },
    {
      name: "one user's tickets take everybody else's place",
      from: 'own.size > perUser && identity.user !== ""',
      to: "own.size > size",
    },
  ]),
  ...inFile("totals", [
    {
      name: "a peer makes up as many codes as it likes",
      from: 'this.#closed.add(ownCodes.includes(known) ? known : "other");',
      to: "this.#closed.add(known);",
    },
  ]),
];

/** Every fault that the simulation or the suite has to catch; `npm run mutate` shows that they do. */
const bounds: Mutation[] = [
  ...inFile("blocked", [
    {
      name: "a subscription without room never goes on",
      from: "      subscription.channel.resume(subscription);\n",
      to: "",
    },
    {
      name: "small publications overtake one that waits for room",
      from: "return this.#waiting.size > 0 && this.#serving !== subscription;",
      to: "return false && this.#serving === subscription;",
    },
    {
      name: "who was served stays first",
      from: "if (this.#waiting.delete(subscription) && isBlocked) this.#waiting.add(subscription);",
      to: "if (!isBlocked) this.#waiting.delete(subscription);",
    },
  ]),
  ...inFile("window", [
    {
      name: "a publication larger than the window waits until replies are read, too",
      from: "return this.#publications > this.#proven;",
      to: "return this.#publications > this.#proven || this.#inFlight > 0;",
    },
    {
      name: "a publication larger than the window takes the room of replies",
      from: "this.#excess = Math.min(bytes, Math.max(0, -this.room));",
      to: "",
    },
  ]),
  ...inFile("announcements", [
    {
      name: "who comes and goes at once is announced",
      from: "if (before !== undefined && before !== kind) this.#changes.delete(session);\n    else this.#changes.set(session, kind);",
      to: "this.#changes.set(session, kind);",
    },
    {
      name: "closing is announced to those who are being closed",
      from: "if (this.listeners === 0 || this.#hub.flushing || changes.size === 0) return;",
      to: "if (this.listeners === 0 || changes.size === 0) return;",
    },
    {
      name: "a crowd is told of everybody who leaves at once",
      from: "if (total > most && total > size) break;",
      to: "void most;",
    },
    {
      name: "a crowd is told as often as anybody comes or goes",
      from: "(this.listeners < few ? 0 : this.listeners / 10)",
      to: "0",
    },
    {
      name: "announcements are dropped in silence",
      from: 'if (dropped > 0) this.#hub.tally.hit("announcements", dropped);',
      to: "",
    },
  ]),
  ...inFile("session", [
    {
      name: "announcements take the room of publications",
      from: "this.window.room - bytes < this.hub.settings.window / 2",
      to: "this.window.room - bytes < -this.hub.settings.window",
    },
    {
      name: "stored data waits for as long as a backlog fills each window",
      from: "    work(this);\n    this.#blocked?.serve();",
      to: "    this.#blocked?.serve();\n    work(this);",
    },
  ]),
  ...inFile("tracking", [
    {
      name: "an unsubscribe ahead of its subscription is forgotten",
      from: "if (subscription !== undefined && intake.isQuitting(channel)) quit(subscription);",
      to: "void [subscription, intake];",
    },
  ]),
  ...inFile("limits", [
    {
      name: "a message may be too small to come back with",
      from: "if (message < least) {",
      to: "if (message < 0) {",
    },
    {
      name: "a session may have more subscriptions than it may send commands",
      from: "if (limits[name] > subscriptions) continue;",
      to: "continue;",
    },
  ]),
  ...inFile("page", [
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
  ...inFile("backwards", [
    {
      name: "the newest are read further than a reply holds",
      from: "chars += charsOf(part ?? []);",
      to: "",
    },
    {
      name: "the newest are looked for from the start",
      from: "const least = Math.max(0, place.first - 1, end - limit);",
      to: "const least = Math.max(0, place.first - 1);",
    },
  ]),
  ...inFile("pulse", [
    {
      name: "a permission outlives a machine's sleep",
      from: "return Math.min(this.#expiresAt - clock.now(), this.#expires - clock.time());",
      to: "return this.#expiresAt - clock.now();",
    },
  ]),
  ...inFile("notice", [
    {
      name: "what was told is kept until somebody is told again",
      from: "    this.#rest(told);\n    return {",
      to: "    told.at = this.#hub.clock.now();\n    return {",
    },
  ]),
  ...inFile("ask", [
    {
      name: "a client is told of a fault where too much waits to be published",
      from: 'if (error instanceof BusyError) return new Refusal(replies.tooManyRequests, "waiting");',
      to: "void BusyError;",
    },
  ]),
  ...inFile("receive", [
    {
      name: "a second connect is accepted",
      from: "if (isConnect === session.isGreeted) return",
      to: "if (!isConnect && !session.isGreeted) return",
    },
    {
      name: "commands are answered out of order",
      from: "while (!session.isBusy && session.isOpen",
      to: "while (session.isOpen",
    },
    {
      name: "commands are answered into a full window",
      from: "if (window.room > 0 || !isConnected) return true;",
      to: "return true;",
    },
    {
      name: "any number of commands may wait",
      from: "if (exceeded !== undefined) return session.exceed(exceeded, closes.tooManyRequests);",
      to: "",
    },
    {
      name: "what asks for stored data is answered into a full window",
      from: "return !isForStored && window.hasRoomToReply;",
      to: "return window.hasRoomToReply;",
    },
    {
      name: "acknowledgements cost nothing",
      from: "if (words > 0) intake.charge(",
      to: "if (words < 0) intake.charge(",
    },
  ]),
  ...inFile("commands", [
    {
      name: "a client publishes past the schemas",
      from: "if (hub.events === undefined) return data;",
      to: "return data;",
    },
    {
      name: "nobody hears of a schema at fault when it is a client that publishes",
      from: "if (validation.isFault) {",
      to: "if (false) {",
    },
    {
      name: "a presence reply takes as many clients as there are",
      from: "if ((subscriptions?.size ?? 0) > settings.limits.presence)",
      to: "if (settings.limits.presence < 0)",
    },
  ]),
  ...inFile("soon", [
    {
      name: "a hook that throws reaches whoever calls it",
      from: "done(value);\n  } catch (error) {\n    return failed(error);",
      to: "done(value);\n  } catch (error) {\n    throw error;",
    },
  ]),
  ...inFile("counts", [
    {
      name: "a user who leaves with one of two clients is counted no more",
      from: "if (count > 0) this.set(key, count);",
      to: "if (count > by) this.set(key, count);",
    },
  ]),
];

export const mutations: readonly Mutation[] = [
  ...lifetimes,
  ...runs,
  ...logs,
  ...channels,
  ...sessions,
  ...publishing,
  ...receipts,
  ...hosts,
  ...defences,
  ...bounds,
  ...client,
];
