import { inFile, type Mutation } from "../mutation.ts";

export const engineChannels: readonly Mutation[] = [
  ...inFile("engine/channels/announcements", [
    {
      name: "who comes and goes at once is announced",
      from: "if (before !== undefined && before !== kind) this.#changes.delete(session);\n    else this.#changes.set(session, kind);",
      to: "this.#changes.set(session, kind);",
    },
    {
      name: "closing is announced to those who are being closed",
      from: "if (this.listeners === 0 || this.#context.flushing || changes.size === 0) return;",
      to: "if (this.listeners === 0 || changes.size === 0) return;",
    },
    {
      name: "a crowd is told of everybody who leaves at once",
      from: "if (total > maxBytes && total > size) break;",
      to: "void most;",
    },
    {
      name: "a crowd is told as often as anybody comes or goes",
      from: "(this.listeners < throttledFrom ? 0 : this.listeners / 10)",
      to: "0",
    },
    {
      name: "announcements are dropped in silence",
      from: 'if (dropped > 0) this.#context.counters.hit("announcements", dropped);',
      to: "",
    },
  ]),
  ...inFile("engine/channels/channel-log", [
    {
      name: "news that come during a read are lost",
      from: 'if (this.epoch === "" || !slice.gapless) {',
      to: 'this.#news = false;\n      if (this.epoch === "" || !slice.gapless) {',
    },
    {
      name: "a channel ignores wakes",
      from: "if (this.subscriptions.size > 0) this.#context.turn.wakeChannel(this);",
      to: "",
    },
    {
      name: "those who follow are not woken",
      from: "if (this.#wakes !== undefined) for (const wake of [...this.#wakes]) wake();",
      to: "",
    },
    {
      name: "a channel that began anew tells nobody",
      from: "if (!sameEpoch || subscription.cursor",
      to: "if (subscription.cursor",
    },
    { name: "a channel that was let go is watched for ever", from: "    this.#watch.end();\n", to: "" },
    {
      name: "what is longer than one read stays in the log",
      from: "if (slice.top > this.top) this.#hasNews = true;",
      to: "",
    },
    {
      name: "news that no wake brought along are forgotten for those that one did",
      from: "const isFirst = !this.#hasNews && ",
      to: "const isFirst = ",
    },
    {
      name: "what wakes bring along is not used",
      from: "if (hinted !== undefined) return this.#loaded(hinted);",
      to: "",
    },
  ]),
  ...inFile("engine/channels/channel", [
    {
      name: "a subscription goes on into another epoch",
      from: "if (subscription.epoch === this.epoch) this.#advance(subscription);\n    else this.lose(subscription);",
      to: "this.#advance(subscription);",
    },
    {
      name: "whoever is behind the log's start is not told",
      from: "if (!slice.gapless) return this.lose(subscription);",
      to: "",
    },
    {
      name: "a failed read for somebody behind is the last",
      from: 'subscription.waits = undefined;\n      failed(this, this.#context, error, "behind");',
      to: 'failed(this, this.#context, error, "behind");',
    },
    {
      name: "what a channel has not loaded counts as handed on",
      from: "return !this.mayHaveMore && subscription.cursor >= this.top;",
      to: "return subscription.cursor >= this.top;",
    },
    {
      name: "whoever unsubscribed while the log was read still gets it",
      from: "if (!this.subscriptions.has(subscription)) return;\n      if (!slice.gapless)",
      to: "if (!slice.gapless)",
    },
    {
      name: "a channel is never let go",
      from: "if (this.subscriptions.size === 0 && this.#uses === 0) this.#context.turn.wakeChannel(this);",
      to: "",
    },
  ]),
  ...inFile("engine/channels/log-watch", [
    {
      name: "a channel let go before its watch came is watched for ever",
      from: "if (this.#ended) this.#dispose();",
      to: "",
    },
  ]),
  ...inFile("engine/channels/outage", [
    {
      name: "whoever waits for a pause that ends sooner waits for the next news",
      from: "  context.turn.wakeChannel(channel);\n",
      to: "",
    },
    { name: "a log that failed is asked again only once", from: "      this.#cancel = undefined;\n", to: "" },
    { name: "pauses do not grow", from: "this.#pause = Math.min(this.#pause * 2, pause.longest);", to: "" },
    {
      name: "a channel that cannot be read is told of at each look",
      from: "if (message !== this.#reported) ",
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
  ...inFile("engine/channels/recoveries", [
    {
      name: "a subscription after a recovery begins one too late",
      from: "cursor += taken.texts.length;",
      to: "cursor += taken.texts.length + 1;",
    },
    {
      name: "what was found in another turn is given though the log has lost it",
      from: " && this.#isCurrent(known, after))",
      to: ")",
    },
  ]),
  ...inFile("engine/channels/segment-cache", [
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
      from: "const maxBytes = this.#context.cache.isFull ? 0 : this.#context.settings.window * 2;",
      to: "const most = Number.POSITIVE_INFINITY;",
    },
    {
      name: "everything that was ever read for somebody behind is kept",
      from: "while (this.#aside.length > maxSegments)",
      to: "while (this.#aside.length > 1_000_000)",
    },
  ]),
  ...inFile("engine/channels/segment", [
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
  ...inFile("engine/channels/wake-hints", [
    { name: "a hint of another epoch is taken", from: "hint.epoch !== epoch || ", to: "" },
    {
      name: "a hint is taken that does not come next",
      from: " || hint.offset !== offset + this.#hints.length + 1",
      to: "",
    },
  ]),
];
