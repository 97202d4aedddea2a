import { inFile, type Mutation } from "../mutation.ts";

export const engineChannels: readonly Mutation[] = [
  ...inFile("engine/channels/announcements", [
    {
      name: "a join and a leave in the same interval are announced",
      from: "if (before !== undefined && before.kind !== change.kind) this.#changes.delete(id);\n    else this.#changes.set(id, change);",
      to: "this.#changes.set(id, change);",
    },
    {
      name: "leaves caused by closing are announced",
      from: "if (this.listeners === 0 || this.#context.flushing || changes.size === 0) return;",
      to: "if (this.listeners === 0 || changes.size === 0) return;",
    },
    {
      name: "the announcement of many leaves has no size limit",
      from: "if (total > maxBytes && total > size) break;",
      to: "void maxBytes;",
    },
    {
      name: "announcements to many listeners are not throttled",
      from: "(this.listeners < throttledFrom ? 0 : this.listeners / 10)",
      to: "0",
    },
    {
      name: "dropped announcements are not counted",
      from: 'if (dropped > 0) this.#context.counters.hit("announcements", dropped);',
      to: "",
    },
    {
      name: "a join is noted only where somebody listens here",
      from: "if (this.listeners === 0 && !this.#context.elsewhere.isHeard(this.#channel.name)) return;",
      to: "if (this.listeners === 0) return;",
    },
    {
      name: "joins on another node wait without a bound",
      from: "(this.#changes?.size ?? 0) >= maxElsewhere",
      to: "(this.#changes?.size ?? 0) >= maxElsewhere * Infinity",
    },
    {
      name: "a client that is noted is dropped with the others",
      from: " && this.#changes?.has(who.id) !== true;",
      to: ";",
    },
    {
      name: "joins of another node that are dropped are not counted",
      from: 'if (isFull) this.#context.counters.hit("announcements", this.listeners);\n    else this',
      to: "if (!isFull) this",
    },
    {
      name: "joins of another node are sent on to others",
      from: ".filter(({ isElsewhere }) => !isElsewhere)",
      to: ".filter(() => true)",
    },
    {
      name: "other nodes are not told that this one listens",
      from: "    this.#context.elsewhere.listen(this.#channel.name, this.listeners > 0);\n",
      to: "",
    },
  ]),
  ...inFile("engine/channels/listening-nodes", [
    {
      name: "a node that begins asks nobody",
      from: "    nodes.add(undefined, kinds.ask, {});\n",
      to: "",
    },
    {
      name: "a node that begins does not tell what it listens to already",
      from: "    for (const [name, { hasListeners }] of channels) if (hasListeners) this.listen(name, true);\n",
      to: "    void channels;\n",
    },
    {
      name: "a node that has missed messages goes on with what it knew",
      from: "    nodes.onMissed.push(() => this.#begin());\n",
      to: "",
    },
    {
      name: "others are told again and again who listens",
      from: " || this.#told.has(channel) === isOn) return;",
      to: ") return;",
    },
    {
      name: "a channel that nobody listens to any more is told to nobody",
      from: "    if (isOn) this.#told.add(channel);\n    else this.#told.delete(channel);\n",
      to: "    if (!isOn) return;\n    this.#told.add(channel);\n",
    },
    {
      name: "joins are gathered although the log fails",
      from: " || appends.bytes >= settings.limits.waiting;",
      to: ";\n    void [appends, settings];",
    },
    {
      name: "what a node is sent in a turn has no bound",
      from: "if (isFull || bytes + size > turnBytes) dropped++;",
      to: "if (isFull) dropped++;",
    },
    {
      name: "the bytes of a turn count for ever",
      from: "if (this.#bytes.size === 0) this.#context.clock.turn(() => this.#bytes.clear());",
      to: "",
    },
    {
      name: "joins that are not sent are not counted",
      from: 'if (dropped > 0) counters.hit("announcements", dropped);',
      to: "void counters;",
    },
    {
      name: "a node that closes does not tell that its clients leave",
      from: "    for (const name of [...this.#nodes.keys()]) channels.get(name)?.leaveElsewhere();\n",
      to: "    void channels;\n",
    },
    {
      name: "a node that closes is sent joins still",
      from: "    if (this.#told.size > 0) nodes.add(undefined, kinds.listens, { isOn: false });\n",
      to: "",
    },
    {
      name: "leaves of clients that a closing node has told already are told again",
      from: "    this.#isLeaving = true;\n",
      to: "",
    },
    {
      name: "what a closing node tells is lost",
      from: "    void nodes.flush();\n",
      to: "",
    },
    {
      name: "a node that asks who listens gets no answer",
      from: "    for (const channel of this.#told) this.#context.nodes.add(node, kinds.listens, { channel, isOn: true });\n",
      to: "    void node;\n",
    },
    {
      name: "messages of another shape are not counted",
      from: 'if (!isObject(item) || !take(item)) this.#context.counters.hit("messages");',
      to: "if (isObject(item)) take(item);",
    },
    {
      name: "a node that stops listening is sent joins still",
      from: "else if (listening.delete(node) && listening.size === 0) this.#nodes.delete(channel);",
      to: "",
    },
    {
      name: "a listener of another shape is noted",
      from: 'if (typeof channel !== "string" || typeof isOn !== "boolean") return false;',
      to: 'if (typeof channel !== "string") return false;',
    },
    {
      name: "a client of another shape is announced",
      from: 'if (typeof channel !== "string" || !isClient || (kind !== "join" && kind !== "leave")) return false;',
      to: 'if (typeof channel !== "string" || (kind !== "join" && kind !== "leave")) return false;\n      void isClient;',
    },
    {
      name: "something else than a join or a leave is announced",
      from: ' || (kind !== "join" && kind !== "leave")) return false;',
      to: ") return false;",
    },
    {
      name: "the info of a client on another node is sent on with its line breaks",
      from: "{ info: JSON.stringify(JSON.parse(String(value))) }",
      to: "{ info: (JSON.parse(String(value)), String(value)) }",
    },
    {
      name: "a node is not told that nobody listens any more",
      from: "if (!this.#told.has(channel)) unheard.add(channel);",
      to: "",
    },
    {
      name: "a node that is gone is sent joins for ever",
      from: "if (alive.length > 0) this.#forget([...known]);",
      to: "",
    },
    {
      name: "which nodes are gone is looked at all the time",
      from: " || clock.now() - this.#lookedAt < lookEvery) return;",
      to: ") return;",
    },
    {
      name: "nodes that live are forgotten with those that are gone",
      from: "for (const node of alive) known.delete(node);",
      to: "",
    },
  ]),
  ...inFile("engine/channels/channel-log", [
    {
      name: "a restored subscription goes on in another epoch",
      from: "if (subscription.epoch !== this.epoch || isAhead) this.lose(subscription);",
      to: "if (isAhead) this.lose(subscription);",
    },
    {
      name: "a restored subscription goes on behind the end of its channel",
      from: "if (subscription.epoch !== this.epoch || isAhead) this.lose(subscription);\n    };",
      to: "if (subscription.epoch !== this.epoch) this.lose(subscription);\n      void isAhead;\n    };",
    },
    {
      name: "the first subscription of a channel goes on behind its end",
      from: "cursor + 1 < slice.first || cursor > slice.top)",
      to: "cursor + 1 < slice.first)",
    },
    {
      name: "a restored subscription goes on although its log is not watched",
      from: "      for (const each of [...this.subscriptions]) this.lose(each);\n",
      to: "",
    },
    {
      name: "a restored channel is not read until it has news",
      from: "  #loadFor(subscription: Subscription): void {\n    this.#context.turn.wakeChannel(this);\n",
      to: "  #loadFor(subscription: Subscription): void {\n",
    },
    {
      name: "a wake during a read is lost",
      from: 'if (this.epoch === "" || !slice.gapless || slice.epoch !== this.epoch) {',
      to: 'this.#hasNews = false;\n      if (this.epoch === "" || !slice.gapless || slice.epoch !== this.epoch) {',
    },
    {
      name: "a wake does not schedule the channel",
      from: "if (this.subscriptions.size > 0) this.#context.turn.wakeChannel(this);",
      to: "",
    },
    {
      name: "a wake is not passed on to waiting readers",
      from: "if (this.#wakes !== undefined) for (const wake of [...this.#wakes]) wake();",
      to: "",
    },
    {
      name: "subscribers are not told that the channel began anew",
      from: "if (!sameEpoch || cursor + 1",
      to: "if (cursor + 1",
    },
    { name: "the watch of an unused channel is never ended", from: "    this.#watch.end();\n", to: "" },
    {
      name: "entries beyond the limit of one read are not read",
      from: "if (slice.top > this.top) this.#hasNews = true;",
      to: "",
    },
    {
      name: "a wake without a hint is lost when a wake with a hint follows",
      from: "const isFirst = !this.#hasNews && ",
      to: "const isFirst = ",
    },
    {
      name: "hints of wakes are not used",
      from: "if (hinted !== undefined) return this.#loaded(this.#context.log.take(this.name, hinted));",
      to: "",
    },
  ]),
  ...inFile("engine/channels/channel", [
    {
      name: "a channel without listeners here announces nothing to other nodes",
      from: "if (this.#announcements === undefined && this.#context.elsewhere.isHeard(this.name))",
      to: "if (this.#context === undefined)",
    },
    {
      name: "other nodes hear of a listener that has left only when the channel has news",
      from: "    if (subscription.joins) this.#context.turn.wakeChannel(this);\n",
      to: "",
    },
    {
      name: "a restored subscription is announced",
      from: "    this.#enter(subscription);\n    this.continueWith(subscription);\n",
      to: '    this.#enter(subscription);\n    this.#announcements?.note(subscription.session, "join");\n    this.continueWith(subscription);\n',
    },
    {
      name: "what a restored session has read does not count",
      from: '    this.deliveries?.reached(epoch, deliveryStateOf(subscription), "written", proof.since);\n',
      to: "    void [epoch, deliveryStateOf];\n",
    },
    {
      name: "what a restored session will read does not count",
      from: "    if (this.deliveries !== undefined) subscription.session.track(subscription);\n  }\n\n  #enter",
      to: "  }\n\n  #enter",
    },
    {
      name: "a subscription continues in another epoch",
      from: "if (subscription.epoch === this.epoch) this.#advance(subscription);\n    else this.lose(subscription);",
      to: "this.#advance(subscription);",
    },
    {
      name: "a subscription behind the first entry of the log is not ended",
      from: "if (!slice.gapless || slice.epoch !== subscription.epoch) return this.lose(subscription);",
      to: "if (slice.epoch !== subscription.epoch) return this.lose(subscription);",
    },
    {
      name: "a subscription that catches up goes on in another epoch",
      from: "if (!slice.gapless || slice.epoch !== subscription.epoch) return this.lose(subscription);",
      to: "if (!slice.gapless) return this.lose(subscription);",
    },
    {
      name: "a failed read for a subscription that is behind is not retried",
      from: 'subscription.waits = undefined;\n      failed(this, this.#context, error, "behind");',
      to: 'failed(this, this.#context, error, "behind");',
    },
    {
      name: "a subscription counts as caught up before all entries are loaded",
      from: "return !this.mayHaveMore && subscription.cursor >= this.top;",
      to: "return subscription.cursor >= this.top;",
    },
    {
      name: "a subscription gets entries after an unsubscribe during the read",
      from: "if (!this.subscriptions.has(subscription)) return;\n      // A log may",
      to: "// A log may",
    },
    {
      name: "an unused channel is never removed",
      from: "if (this.subscriptions.size === 0 && this.#uses === 0) this.#context.turn.wakeChannel(this);",
      to: "",
    },
  ]),
  ...inFile("engine/channels/log-watch", [
    {
      name: "a watch that starts after its channel was removed is never ended",
      from: "if (this.#ended) this.#dispose();",
      to: "",
    },
  ]),
  ...inFile("engine/channels/outage", [
    {
      name: "the end of a pause does not schedule the channel",
      from: "  context.turn.wakeChannel(channel);\n",
      to: "",
    },
    { name: "a failed read is retried only once", from: "      this.#cancel = undefined;\n", to: "" },
    {
      name: "the pause between retries does not grow",
      from: "this.#pause = Math.min(this.#pause * 2, pause.longest);",
      to: "",
    },
    {
      name: "the same read error is reported at each retry",
      from: "if (message !== this.#reported) ",
      to: "",
    },
    {
      name: "a wake shortens the pause",
      from: "return outage?.isPausing === true;",
      to: "return outage?.isPausing === undefined;",
    },
    {
      name: "a lasting read error does not end the subscriptions",
      from: "for (const subscription of [...channel.subscriptions]) channel.lose(subscription);",
      to: "",
    },
  ]),
  ...inFile("engine/channels/recoveries", [
    {
      name: "a subscription after a recovery skips one publication",
      from: "cursor += taken.texts.length;",
      to: "cursor += taken.texts.length + 1;",
    },
    {
      name: "a cached recovery is used after the log has trimmed it",
      from: " && this.#isCurrent(known, after))",
      to: ")",
    },
  ]),
  ...inFile("engine/channels/segment-cache", [
    {
      name: "the search for a segment ends one segment too early",
      from: "if ((newest[middle] as Segment).last > offset) high = middle;",
      to: "if ((newest[middle] as Segment).last >= offset) high = middle;",
    },
    {
      name: "an older segment is returned for the offset after its end",
      from: "segment.first <= offset + 1 && offset < segment.last",
      to: "segment.first <= offset + 1 && offset <= segment.last",
    },
    {
      name: "the segments of recent publications have no limit",
      from: "const maxBytes = this.#context.cache.isFull ? 0 : this.#context.settings.window * 2;",
      to: "const maxBytes = Number.POSITIVE_INFINITY;",
    },
    {
      name: "the segments of older publications have no limit",
      from: "while (this.#aside.length > maxSegments)",
      to: "while (this.#aside.length > 1_000_000)",
    },
  ]),
  ...inFile("engine/channels/segment", [
    {
      name: "a cut segment begins one publication too early",
      from: "const from = after + 1 - segment.first;",
      to: "const from = Math.max(0, after - segment.first);",
    },
    {
      name: "a cut segment claims one publication too many",
      from: "last: segment.first + to,",
      to: "last: segment.first + to + 1,",
    },
    {
      name: "a recovery begins one publication too early",
      from: "for (let at = after + 1 - segment.first; at",
      to: "for (let at = Math.max(0, after - segment.first); at",
    },
  ]),
  ...inFile("engine/channels/wake-hints", [
    { name: "a hint from another epoch is used", from: "hint.epoch !== epoch || ", to: "" },
    {
      name: "a hint that leaves out an offset is used",
      from: " || hint.offset !== offset + this.#hints.length + 1",
      to: "",
    },
  ]),
];
