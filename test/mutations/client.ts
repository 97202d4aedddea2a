import { inFile, type Mutation } from "./mutation.ts";

/** Faults of the client. */
export const client: readonly Mutation[] = [
  ...inFile("feed", [
    {
      name: "a reader is done with what it has not asked past",
      from: "        if (!isOver) yield publication;\n        reader.done = publication.offset;",
      to: "        reader.done = publication.offset;\n        this.#acknowledge(subscription);\n        if (!isOver) yield publication;",
    },
    {
      name: "a publication that does not follow the last one is taken all the same",
      from: "const isNext = reader.received === 0 || reader.received === offset - 1;",
      to: "const isNext = reader.received < offset;",
    },
    {
      name: "a reader takes more than fits",
      from: "if (reader.epoch !== epoch || !isNext || reader.size > this.#bound) continue;",
      to: "if (reader.epoch !== epoch || !isNext) continue;",
    },
    {
      name: "a subscription that nobody takes anything of goes on",
      from: "if ([...readers].every(isBehind)) this.#quit(subscription);",
      to: "",
    },
    {
      name: "what the slowest reader is not done with is acknowledged",
      from: "const offset = Math.min(received, ...[...readers].map(({ done }) => done));",
      to: "const offset = Math.max(0, ...[...readers].map(({ done }) => done));",
    },
    {
      name: "the last words are not said before a channel is left",
      from: "    this.acknowledge();\n    this.#link.command({ unsubscribe:",
      to: "    this.#link.command({ unsubscribe:",
    },
    {
      name: "the reader furthest behind is not the one that is asked for",
      from: ".sort((one, other) => placeOf(one) - placeOf(other));",
      to: ".sort((one, other) => placeOf(other) - placeOf(one));",
    },
    {
      name: "the last reader leaves, and the channel is still subscribed",
      from: "    this.#quit(subscription);\n    if (this.#subscriptions.get(channel) === subscription)",
      to: "    if (this.#subscriptions.get(channel) === subscription)",
    },
    {
      name: "what the server subscribes to by itself cannot be followed",
      from: "const isSubscribed = code === 105;",
      to: "const isSubscribed = false;",
    },
    {
      name: "a gap is not told",
      from: "else if (isAsked) {",
      to: "else if (epoch === undefined) {",
    },
    {
      name: "a gap begins at the top",
      from: "offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0)",
      to: "offset",
    },
    {
      name: "a subscription that is ended with 2500 is over",
      from: "if (code >= 2500) this.#tend(subscription);",
      to: "if (code >= 3000) this.#tend(subscription);",
    },
  ]),
  ...inFile("link", [
    {
      name: "a client that has closed goes on waiting",
      from: "for (const each of [signal, this.#life.signal])",
      to: "for (const each of [signal])",
    },
    {
      name: "a wait that is over still listens",
      from: "      for (const end of undo) end();\n",
      to: "",
    },
    {
      name: "every code is one to come back after",
      from: "mayReturn = !/^(3[5-9]|4[5-9])..$/.test(",
      to: "mayReturn = true || !/^(3[5-9]|4[5-9])..$/.test(",
    },
    {
      name: "a call whose outcome nobody knows is sent again",
      from: "if (call.isSent && !call.again) call.answered({ error });",
      to: "",
    },
    {
      name: "any connection counts as a good one",
      from: "this.#options.clock.now() >= this.#steadyAt",
      to: "true",
    },
    {
      name: "a delay may be nothing",
      from: "return 100 + this.#options.clock.random()",
      to: "return this.#options.clock.random()",
    },
    {
      name: "a server that asks for time gets none",
      from: 'this.time("dial", seconds * 1000 + this.delay',
      to: 'this.time("dial", this.delay',
    },
    {
      name: "an expired token is sent again",
      from: "(code === 3005 || code === 109) && this",
      to: "code === 109 && this",
    },
    {
      name: "a connection that is lost leaves its timers",
      from: "    this.#timers.stopAll();\n    this.feed.lost();",
      to: "    this.feed.lost();",
    },
    {
      name: "what is acknowledged is not said before closing",
      from: "    this.feed.acknowledge();\n    this.#flush();\n    const socket = this.#drop();",
      to: "    this.#flush();\n    const socket = this.#drop();",
    },
    {
      name: "a dead link is never noticed",
      from: "this.#heard > heard ? this.#listen(this.#period) : this.#giveUp()",
      to: "this.#listen(this.#period)",
    },
    {
      name: "a close waits for a socket that never opened",
      from: "return wasOpen ? socket : undefined;",
      to: "return socket;",
    },
    {
      name: "a closed client still hears the browser",
      from: "    this.#unlisten();\n",
      to: "",
    },
  ]),
  ...inFile("linked-run", [
    {
      name: "a run's ending is yielded like any other event",
      from: "return ending !== undefined;",
      to: "return false;",
    },
    {
      name: "whoever has had a run's ending waits for more",
      from: "epoch === after.epoch && offset <= after.offset",
      to: "offset < after.offset",
    },
    {
      name: "the result of a run that has ended is waited for for ever",
      from: "offset: this.#ending === undefined ? offset : offset - 1",
      to: "offset",
    },
  ]),
];
