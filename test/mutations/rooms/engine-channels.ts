import { inFile, type Mutation } from "../mutation.ts";

export const engineChannels: readonly Mutation[] = [
  ...inFile("engine/channels/announcements", [
    {
      name: "a join and a leave in the same interval are announced",
      from: "if (before !== undefined && before !== kind) this.#changes.delete(session);\n    else this.#changes.set(session, kind);",
      to: "this.#changes.set(session, kind);",
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
      from: "if (!slice.gapless) return this.lose(subscription);",
      to: "",
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
      from: "if (!this.subscriptions.has(subscription)) return;\n      if (!slice.gapless)",
      to: "if (!slice.gapless)",
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
