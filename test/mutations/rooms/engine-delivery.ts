import { inFile, type Mutation } from "../mutation.ts";

export const engineDelivery: readonly Mutation[] = [
  ...inFile("engine/delivery/channel-ledger", [
    {
      name: "an acknowledgement of one epoch counts in another",
      from: "const found = [...this.#between(from, Math.min(state[level], this.#common(epoch, this.epoch)))];",
      to: "const found = [...this.#between(from, state[level])];",
    },
    {
      name: "pending publications stay after their channel began anew",
      from: 'if (entry.position.offset > commonWith(slice, entry.epoch)) this.#ledger.giveUp(entry, "trimmed");',
      to: "if (false) void [slice, commonWith];",
    },
    {
      name: "pending publications are given up although their channel is continued",
      from: "if (entry.position.offset > commonWith(slice, entry.epoch))",
      to: "if (entry.epoch !== slice.epoch && commonWith(slice, entry.epoch) < Infinity)",
    },
    {
      name: "a publication for which another node waits does not keep a closing session open",
      from: "if (node !== undefined && level === undefined) return true;",
      to: "void [node, level];",
    },
    {
      name: "a wait for reading does not ask a client that acknowledges for a pong",
      from: 'if (waiter.level === "read") this.readers++;',
      to: "",
    },
    {
      name: "a trimmed publication is given up while it is being delivered",
      from: "if (entry.isTrimmed && !this.#isUnderWay(entry))",
      to: "if (entry.isTrimmed)",
    },
    {
      name: "a trimmed publication is never given up",
      from: "if (entry.position.offset < first) entry.isTrimmed = true;",
      to: "void entry;",
    },
    {
      name: "the log is not asked whether it still holds pending publications",
      from: "attended(() => context.log.read(this.channel, { limit: 0 }), failed);",
      to: "void [context, failed];",
    },
  ]),
  ...inFile("engine/delivery/confirm-capacity", [
    {
      name: "a new publication gets capacity before the waiting ones",
      from: "if (this.#channelFits(waiting.taken(), waiting.bytes)) return false;",
      to: "if (this.#channelFits(waiting.taken(), waiting.bytes)) return true;",
    },
    {
      name: "one publication above the confirm limit is accepted",
      from: "taken.confirmed < max &&",
      to: "taken.confirmed <= max &&",
    },
    {
      name: "the total limit for endings of runs is one too low",
      from: "this.confirmed > this.#limits.confirmedTotal ||",
      to: "this.confirmed >= this.#limits.confirmedTotal ||",
    },
    {
      name: "freed capacity is not given to the waiting publications",
      from: "      taken.bytes -= bytes;\n    }\n    this.#serve();",
      to: "      taken.bytes -= bytes;\n    }",
    },
  ]),
  ...inFile("engine/delivery/confirm", [
    {
      name: "what is held for an aborted publication is never released",
      from: "if (isAdmitted) context.records.release(content.record);",
      to: "",
    },
    {
      name: "a publication refused by closing is reported twice",
      from: "if (isRefused) context.ledger.givenUp.over(confirmation);\n    else context",
      to: "context",
    },
    {
      name: "a publication that the log refused keeps its capacity",
      from: "if (isAdmitted && entry === undefined)",
      to: "if (false)",
    },
    {
      name: "a node reports what another one has published with the same key",
      from: "if (found.origin !== context.nodes.id)",
      to: "if (found.offset < 0)",
    },
  ]),
  ...inFile("engine/delivery/delivery-state", [
    {
      name: "a publication counts as delivered without the acknowledgement of a client that sends them",
      from: "discharged: session.acknowledges ? acknowledged : read,",
      to: "discharged: read,",
    },
    {
      name: "publications after an unsubscribe command count as read",
      from: "Math.max(quit ?? window.readOf(proof, cursor), acknowledged)",
      to: "Math.max(window.readOf(proof, cursor), acknowledged)",
    },
    {
      name: "publications from before the subscription count as read",
      from: "(state.since < offset && offset <= state[level])",
      to: "offset <= state[level]",
    },
    {
      name: "what a session received after its return is forgotten",
      from: "    stretches.push(state);\n",
      to: "    if (last === undefined) stretches.push(state);\n",
    },
  ]),
  ...inFile("engine/delivery/given-up", [
    {
      name: "the close report does not list the publications that closing gave up",
      from: "    this.#rows = [];\n",
      to: "",
    },
    {
      name: "a confirmed publication refused by closing is not reported",
      from: "if (isEnded || error instanceof ClosedError)",
      to: "if (isEnded)",
    },
    {
      name: "an ending refused by the log is not reported",
      from: "if (isEnded || error instanceof ClosedError)",
      to: "if (error instanceof ClosedError)",
    },
    {
      name: "an ending that is written again is reported as given up",
      from: "confirmation.content.isEnding && !(error instanceof WithdrawnError)",
      to: "confirmation.content.isEnding",
    },
  ]),
  ...inFile("engine/delivery/admission", [
    {
      name: "a confirmed publication may wait for capacity while closing",
      from: 'if (isClosing) return Promise.reject(closed("publish"));',
      to: "void isClosing;",
    },
    {
      name: "endings of runs use the capacity of publications",
      from: "return isEnding ? this.#endings : this.#capacity;",
      to: "return isEnding ? this.#capacity : this.#capacity;",
    },
    {
      name: "closing does not reject publications that wait for capacity",
      from: 'this.#capacity.refuse(closed("publish"));',
      to: "",
    },
  ]),
  ...inFile("engine/delivery/foreign-waits", [
    {
      name: "a node takes the publications of others for nobody's",
      from: "if (origin === undefined || this.#context.nodes.isOwn(origin)) continue;",
      to: "continue;",
    },
    {
      name: "a node that has heard of a delivery tells nobody",
      from: '    this.#context.nodes.add(node, "delivered", report);\n',
      to: "",
    },
    {
      name: "the same delivery is told again whenever its entry is read",
      from: "if (report.discharges) this.#remember(report);",
      to: "",
    },
    {
      name: "an heir is not told what the dead node was told",
      from: 'if (wait.isKnownToAll) this.#context.nodes.add(wait.node, "delivered", told);',
      to: "",
    },
    {
      name: "any number of publications of other nodes is remembered",
      from: "if (this.#size < confirmedTotal) return false;\n    this.#ledger.expire();",
      to: "if (this.#size >= 0) return false;\n    this.#ledger.expire();",
    },
    {
      name: "waits of other nodes that are over take room",
      from: "    this.#ledger.expire();\n",
      to: "",
    },
    {
      name: "messages of an unknown form are not counted",
      from: 'if (known === undefined) counters.hit("messages");',
      to: "if (known === undefined) void counters;",
    },
    {
      name: "nodes are told of a subscriber that leaves although nobody waits",
      from: "    if (pending.length === 0) return;\n",
      to: "",
    },
    {
      name: "a subscriber that leaves takes what other nodes wait for with it",
      from: "if (node !== undefined && !isKnownToAll) extend(waits, node, position.offset);",
      to: "void [node, isKnownToAll];",
    },
    {
      name: "nodes do not wait for what a subscriber was sent before it left another one",
      from: "        this.#enter(channel, { epoch, offset }, byOrigin(node, expires));\n    }\n    this.#ledger.departed",
      to: "        void [epoch, node, expires];\n    }\n    this.#ledger.departed",
    },
  ]),
  ...inFile("engine/delivery/known-states", [
    {
      name: "a client that begins without a position has what was before",
      from: "if (session.identity === by && isFresh !== true)",
      to: "if (session.identity === by)",
    },
    {
      name: "what is told before a publication is known to be logged is forgotten",
      from: "    this.#learned.set(keyOf(report.channel, report), stateIn(report));\n",
      to: "    void report;\n",
    },
  ]),
  ...inFile("engine/delivery/ledger", [
    {
      name: "closing gives up what the next process should deliver",
      from: "if (entry.content?.record !== undefined) {",
      to: "if (entry.content?.record === null) {",
    },
    {
      name: "a restored publication takes no room",
      from: "    this.admission.of(content).take(this.open(channel, position.epoch).room, content.bytes);\n",
      to: "",
    },
    {
      name: "the expiry timer is not set for a confirmed publication",
      from: "this.#tellOfDeparted(entry);\n    this.expiries.arm();",
      to: "this.#tellOfDeparted(entry);",
    },
    {
      name: "who had left before its publication was known to be in the log is not told of",
      from: "    if (!isInherited) this.#tellOfDeparted(entry);\n",
      to: "    void isInherited;\n",
    },
    {
      name: "who had left before a receipt was asked is not told of",
      from: "          this.#tellOfDeparted(waited);\n",
      to: "",
    },
    {
      name: "the delivery state of ended subscriptions is forgotten",
      from: "      this.known.departed.add(channel.name, epoch, state);\n      if",
      to: "      if",
    },
    {
      name: "an heir asks nobody",
      from: "if (entry.content === content) this.#questions.askAgain(entry);",
      to: "",
    },
    {
      name: "a receipt asks nobody once its publication is that of another node",
      from: "if (waiter.node === undefined) this.#questions.ask(entry, waiter);",
      to: "void waiter;",
    },
    {
      name: "a receipt asks no other node",
      from: "          this.#questions.ask(waited, waiter);\n",
      to: "",
    },
    {
      name: "a client that came back before it was known to have left acknowledges nothing",
      from: "this.onReturned(state.by, channel, { epoch, offset });",
      to: "void offset;",
    },
    {
      name: "a node that begins later does not hear what others wait for",
      from: "    for (const entry of this.all) this.#questions.repeat(entry, node);\n",
      to: "    void node;\n",
    },
    {
      name: "a node that begins later does not hear who has left",
      from: "        this.foreign.left(channel, epoch, state, node);\n",
      to: "        void [epoch, state];\n",
    },
    {
      name: "a node that has missed messages asks nobody",
      from: "    nodes.onMissed.push(() => this.#begin());\n",
      to: "",
    },
    {
      name: "a node with another id does not ask again",
      from: "    nodes.onBegin.push(() => this.#begin());\n",
      to: "",
    },
    {
      name: "an epoch that nobody knows here is not looked for",
      from: "if (deliveries?.isUnknown(report.epoch)) deliveries.lookSoon(this.context);",
      to: "",
    },
  ]),
  ...inFile("engine/delivery/pending-deliveries", [
    {
      name: "what is held for a delivered publication is never released",
      from: "    this.context.records.release(record);\n",
      to: "",
    },
    {
      name: "a delivered publication keeps its capacity",
      from: "this.release(deliveries.channel, ",
      to: "void (deliveries.channel, ",
    },
    {
      name: "sessions that already have the publication are not tracked",
      from: "if (subscription.cursor >= offset) subscription.session.track(subscription);",
      to: "void subscription;",
    },
    {
      name: "what is inherited again is reported again",
      from: "      this.#done.add(record);\n",
      to: "",
    },
    {
      name: "subscribers of the epoch that continues another do not count",
      from: "if (entry.place >= 0) this.lookAround(entry);",
      to: "void entry;",
    },
    {
      name: "a wait ends with a shorter one for the same publication",
      from: 'const now = reason === "expired" ? this.context.clock.now() : Infinity;',
      to: "const now = Infinity;",
    },
  ]),
  ...inFile("engine/delivery/questions", [
    {
      name: "a question is asked once for each caller",
      from: "|| entry.asked?.has(key)) return;",
      to: ") return;",
    },
    {
      name: "a receipt asks although its publication names its origin",
      from: "if (!isKnown) this.#send(entry, wanted);",
      to: "void isKnown;\n    this.#send(entry, wanted);",
    },
  ]),
  ...inFile("engine/delivery/missed-notices", [
    {
      name: "a second notice is sent within five seconds",
      from: "(known?.at ?? 0) >= interval;",
      to: "(known?.at ?? 0) >= 0;",
    },
    {
      name: "a second notice is never sent",
      from: "if (known === undefined ? this.#sent.size >= maxNotices : !isOver) return undefined;",
      to: "if (known === undefined ? this.#sent.size >= maxNotices : !isOver) return undefined;\n    this.begin = () => undefined;",
    },
    {
      name: "a postponed notice is never sent",
      from: "this.#context.wheel.set(notice, notice.at + interval);",
      to: "",
    },
    {
      name: "a subscriber that was behind only briefly gets a notice",
      from: "if (behind === undefined || clock.now() - behind.since < late) return;",
      to: "if (behind === undefined) return;",
    },
    {
      name: "a notice is kept until the next one is sent",
      from: "    this.#rest(notice);\n    return {",
      to: "    notice.at = this.#context.clock.now();\n    return {",
    },
  ]),
  ...inFile("engine/delivery/send-window", [
    {
      name: "a restored window forgets which ping is outstanding",
      from: "    this.#pings = barrier > 0 ? 1 : 0;\n",
      to: "    this.#pings = 0;\n",
    },
    {
      name: "a restored window forgets that data is in flight",
      from: "    this.#data = data;\n    this.#publications = publications;\n    this.#excess",
      to: "    this.#publications = publications;\n    this.#excess",
    },
    {
      name: "a restored window forgets that a publication is in flight",
      from: "    this.#data = data;\n    this.#publications = publications;\n",
      to: "    this.#data = data;\n",
    },
    {
      name: "a restored window lets a large publication use up the room for replies",
      from: "    this.#excess = excess;\n",
      to: "",
    },
    {
      name: "what the outstanding ping covers is forgotten",
      from: "markBarrier: mark > read ? 1 : 0",
      to: "markBarrier: mark > read ? 0 : 0",
    },
    {
      name: "a restored subscription counts as read",
      from: "return { read, mark: proof.mark, barrier: proof.barrier - this.#pongs };",
      to: "return { read: proof.mark, mark: proof.mark, barrier: proof.barrier - this.#pongs };",
    },
    {
      name: "what was sent before a restoration counts as not sent",
      from: "    this.#frames = 1;\n",
      to: "",
    },
    {
      name: "sent bytes do not fill the window",
      from: "return this.#size - this.#inFlight;",
      to: "return this.#size;",
    },
    {
      name: "publications do not count against the window",
      from: "    this.#queued += bytes;\n",
      to: "    if (!areData) this.#queued += bytes;\n",
    },
    {
      name: "replies do not count against the window",
      from: "    this.#queued += bytes;\n",
      to: "    if (areData) this.#queued += bytes;\n",
    },
    {
      name: "a pong without a ping is accepted",
      from: "if (!this.hasPing) return false;",
      to: "if (!this.hasPing) return true;",
    },
    {
      name: "a pong proves data sent after its ping",
      from: "this.#proven = this.#barrier;",
      to: "this.#proven = this.#sent;",
    },
    {
      name: "data sent with an unanswered ping is reported as read",
      from: "if (proof.barrier <= this.#pongs) return cursor;",
      to: "if (proof.barrier <= this.#pings) return cursor;",
    },
    {
      name: "recovered publications are reported as read at once",
      from: "const barrier = cursor > after ? this.#pings + 1 : 0;",
      to: "const barrier = 0;",
    },
    {
      name: "a publication larger than the window blocks until replies are read",
      from: "return this.#publications > this.#proven;",
      to: "return this.#publications > this.#proven || this.#inFlight > 0;",
    },
    {
      name: "a publication larger than the window uses the room for replies",
      from: "this.#excess = Math.min(bytes, Math.max(0, -this.room));",
      to: "",
    },
  ]),
  ...inFile("engine/delivery/tracking", [
    {
      name: "a session is not pinged for a receipt that waits for reading",
      from: "if (subscription.channel.deliveries?.wantsReading(subscription)) return true;",
      to: "void subscription;",
    },
  ]),
  ...inFile("engine/delivery/restore", [
    {
      name: "a restored publication waits as long as a new one",
      from: "Math.max(expires - clock.time(),",
      to: "Math.max(expires,",
    },
    {
      name: "an heir gives up what has expired before others could tell of its delivery",
      from: "nodes.id === undefined ? 0 : patience",
      to: "nodes.id === undefined ? patience : 0",
    },
    {
      name: "a confirmed publication that the log no longer keeps is forgotten in silence",
      from: "context.report(new LogError(message),",
      to: "void (new LogError(message),",
    },
    {
      name: "what is held for a trimmed publication is never released",
      from: "    ledger.done(record);\n",
      to: "",
    },
    {
      name: "what is inherited again after it was settled waits again",
      from: "if (ledger.isDone(record)) return records.release(record);",
      to: "",
    },
    {
      name: "what is inherited is given up while the log cannot be read",
      from: "restoreOnce(context, left));\n}",
      to: "restoreOnce(context, left).catch(() => {}));\n}",
    },
  ]),
  ...inFile("engine/delivery/subscription-state", [
    {
      name: "a restored subscription is not the server's any more",
      from: "byServer: (bits & bit.byServer) !== 0,",
      to: "byServer: (bits & bit.byServer) > bit.behind,",
    },
    {
      name: "a restored subscription is sent no joins",
      from: "joins: (bits & bit.joins) !== 0,",
      to: "joins: (bits & bit.joins) > bit.behind,",
    },
    {
      name: "a restored subscription has forgotten that its client leaves",
      from: "quit: (bits & bit.quit) === 0 ? undefined : cursor - numbers.quit,",
      to: "quit: numbers.quit < 0 ? 0 : undefined,",
    },
    {
      name: "a restored subscription has forgotten what was acknowledged",
      from: "acknowledged: since + numbers.acknowledged,",
      to: "acknowledged: since,",
    },
    {
      name: "after a stale state a ping that is never sent covers something",
      from: "barrier: isStale ? Math.min(1, barrier) : barrier",
      to: "barrier: isStale ? Math.min(2, barrier) : barrier",
    },
    {
      name: "a subscription that was read before it began is restored",
      from: "mark <= read && read <= since",
      to: "mark <= read",
    },
    {
      name: "a subscription that began before its channel is restored",
      from: "return Math.max(since, quit, behind) <= state[2] &&",
      to: "return Math.max(quit, behind) <= state[2] &&",
    },
    {
      name: "since when a subscription is behind is forgotten",
      from: ": { cursor: cursor - numbers.behind, since: numbers.behindSince - origin },",
      to: ": { cursor: cursor - numbers.behind, since: numbers.behindSince },",
    },
  ]),
];
