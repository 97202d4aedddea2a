import { inFile, type Mutation } from "../mutation.ts";

export const engineSessions: readonly Mutation[] = [
  ...inFile("engine/sessions/blocked", [
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
  ...inFile("engine/sessions/command-queue", [
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
  ...inFile("engine/sessions/handler-call", [
    {
      name: "a client is told of a fault where too much waits to be published",
      from: 'if (error instanceof BusyError) return new Refusal(replies.tooManyRequests, "waiting");',
      to: "void BusyError;",
    },
  ]),
  ...inFile("engine/sessions/outbox", [
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
  ...inFile("engine/sessions/receive", [
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
      from: "return !returnsStored && window.hasRoomToReply;",
      to: "return window.hasRoomToReply;",
    },
    {
      name: "acknowledgements cost nothing",
      from: "if (acknowledgements > 0)\n    queue.charge(",
      to: "if (acknowledgements < 0)\n    queue.charge(",
    },
  ]),
  ...inFile("engine/sessions/session-index", [
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
  ...inFile("engine/sessions/session-timers", [
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
      from: "this.#lateAt = context.clock.now() + context.settings.limits.connect;",
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
    {
      name: "a permission outlives a machine's sleep",
      from: "return Math.min(this.#expiresAt - clock.now(), this.#expires - clock.time());",
      to: "return this.#expiresAt - clock.now();",
    },
  ]),
  ...inFile("engine/sessions/session", [
    { name: "sessions are kept after their end", from: "    this.context.left(this);\n", to: "" },
    {
      name: "somebody who has said who it is goes on as who it was",
      from: "this.peer = { ...this.peer, ...identity };",
      to: "",
    },
    {
      name: "who it is may be said with another's permission to decide",
      from: "    if (identity.expires !== undefined) this.timers.extend(identity.expires);\n",
      to: "",
    },
    {
      name: "subscriptions stay on their channels after their session",
      from: "for (const subscription of [...this.subscriptions]) this.drop(subscription);",
      to: "",
    },
    {
      name: "closing does not wait for the pong",
      from: "else if (this.window.isClear && !owesAcknowledgement) this.close(closes.shutdown);",
      to: "else if (this.isOpen && !owesAcknowledgement) this.close(closes.shutdown);",
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
    {
      name: "announcements take the room of publications",
      from: "this.window.room - bytes < this.context.settings.window / 2",
      to: "this.window.room - bytes < -this.context.settings.window",
    },
    {
      name: "stored data waits for as long as a backlog fills each window",
      from: "    work(this);\n    this.subscriptions.serveBlocked();",
      to: "    this.subscriptions.serveBlocked();\n    work(this);",
    },
  ]),
];
