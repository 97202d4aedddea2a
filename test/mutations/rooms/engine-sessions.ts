import { inFile, type Mutation } from "../mutation.ts";

export const engineSessions: readonly Mutation[] = [
  ...inFile("engine/sessions/blocked", [
    {
      name: "a blocked subscription is never resumed",
      from: "      subscription.channel.resume(subscription);\n",
      to: "",
    },
    {
      name: "small publications overtake a blocked subscription",
      from: "return this.#waiting.size > 0 && this.#serving !== subscription;",
      to: "return false && this.#serving === subscription;",
    },
    {
      name: "a served subscription keeps its place in the queue",
      from: "if (this.#waiting.delete(subscription) && isBlocked) this.#waiting.add(subscription);",
      to: "if (!isBlocked) this.#waiting.delete(subscription);",
    },
  ]),
  ...inFile("engine/sessions/command-queue", [
    {
      name: "commands do not use up the allowance",
      from: "* rate) - commands * 1_000;",
      to: "* rate);\n    void commands;",
    },
    {
      name: "the allowance does not grow with time",
      from: "this.#allowance + (now - this.#at) * rate",
      to: "this.#allowance",
    },
    {
      name: "the allowance has no maximum",
      from: "Math.min(burst * 1_000, this.#allowance",
      to: "Math.max(burst * 1_000, this.#allowance",
    },
    {
      name: "a session far above the rate limit is not closed",
      from: 'return this.#allowance < -burst * 1_000 ? "rate" : undefined;',
      to: "return undefined;",
    },
    {
      name: "the length of a session's waiting commands has no limit",
      from: 'if (this.#chars > commandChars) return "commandChars";',
      to: "",
    },
    { name: "an executed command still counts as waiting", from: "this.#weigh(-next.chars);", to: "" },
    {
      name: "the length of all sessions' waiting commands has no limit",
      from: 'if (this.#chars > commandTotalChars - this.#all.chars) return "commandTotalChars";',
      to: "void commandTotalChars;",
    },
    {
      name: "the waiting commands of an ended session still count",
      from: "    this.#count = 0;\n    this.#weigh(-this.#chars);",
      to: "    this.#count = 0;\n    this.#chars = 0;",
    },
  ]),
  ...inFile("engine/sessions/handler-call", [
    {
      name: "a full append queue is an internal error for the client",
      from: 'if (error instanceof BusyError) return new Refusal(replies.tooManyRequests, "waiting");',
      to: "void BusyError;",
    },
  ]),
  ...inFile("engine/sessions/outbox", [
    {
      name: "queued pushes of a revoked channel are sent",
      from: "for (const text of texts) if (!heads.some((head) => text.startsWith(head))) this.push(text);",
      to: "for (const text of texts) this.push(text);",
    },
    {
      name: "the channels of a queued reply are forgotten before it is sent",
      from: "for (const name of channels) this.#answered.add(name);",
      to: "",
    },
    {
      name: "a revoked channel stays withheld for ever",
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
      name: "commands are executed in parallel",
      from: "while (!session.isBusy && session.isOpen",
      to: "while (session.isOpen",
    },
    {
      name: "commands are executed while the window is full",
      from: "if (window.room > 0 || !isConnected) return true;",
      to: "return true;",
    },
    {
      name: "the number of waiting commands has no limit",
      from: "if (exceeded !== undefined) return session.exceed(exceeded, closes.tooManyRequests);",
      to: "",
    },
    {
      name: "a command that returns stored data is executed while the window is full",
      from: "return !returnsStored && window.hasRoomToReply;",
      to: "return window.hasRoomToReply;",
    },
    {
      name: "acknowledgements do not count against the rate limit",
      from: "if (acknowledgements > 0)\n    queue.charge(",
      to: "if (acknowledgements < 0)\n    queue.charge(",
    },
  ]),
  ...inFile("engine/sessions/session-index", [
    {
      name: "anonymous sessions are looked up as one user",
      from: 'return user === "" ? this : this.of(user);',
      to: "return this.of(user);",
    },
    {
      name: "an ended session still counts for its user",
      from: "present instanceof Set ? present.delete(session) : present === session;",
      to: "present instanceof Set ? present.delete(session) : false;",
    },
    {
      name: "all sessions of a user count as one",
      from: "return present instanceof Set ? present.size : 1;",
      to: "return 1;",
    },
  ]),
  ...inFile("engine/sessions/session-timers", [
    {
      name: "a permission never expires",
      from: "return this.#expiresAt !== undefined && this.remaining <= 0;",
      to: "return false;",
    },
    {
      name: "a slow peer is closed as early as a silent one",
      from: "(this.#behindData ? slow : pong)",
      to: "pong",
    },
    {
      name: "a session without a connect is never closed",
      from: "this.#lateAt = context.clock.now() + context.settings.limits.connect;",
      to: "this.#lateAt = Number.POSITIVE_INFINITY;",
    },
    {
      name: "an unanswered ping never closes the session",
      from: "if (this.#excused > 0 || now - pongBy < tolerance) return this.#session.silent(this.#behindData);",
      to: "",
    },
    {
      name: "peers are closed as silent after the process was suspended",
      from: "if (this.#excused > 0 || now - pongBy < tolerance) return",
      to: "return",
    },
    {
      name: "a peer gets more time after each suspension of the process",
      from: "this.#excused > 0 || now",
      to: "now",
    },
    {
      name: "a ping is sent before the last one is answered",
      from: "if (!this.#window.hasPing) this.#session.beat();",
      to: "this.#session.beat();",
    },
    {
      name: "a permission does not expire while the machine sleeps",
      from: "return Math.min(this.#expiresAt - clock.now(), this.#expires - clock.time());",
      to: "return this.#expiresAt - clock.now();",
    },
  ]),
  ...inFile("engine/sessions/session", [
    { name: "an ended session is not removed", from: "    this.context.left(this);\n", to: "" },
    {
      name: "a session keeps its old identity after connect",
      from: "this.peer = { ...this.peer, ...identity };",
      to: "",
    },
    {
      name: "the expiry of the new identity is ignored",
      from: "    if (identity.expires !== undefined) this.timers.extend(identity.expires);\n",
      to: "",
    },
    {
      name: "an ended session stays subscribed",
      from: "for (const subscription of [...this.subscriptions]) this.drop(subscription);",
      to: "",
    },
    {
      name: "closing does not wait for the last pong",
      from: "else if (this.window.isClear && !owesAcknowledgement) this.close(closes.shutdown);",
      to: "else if (this.isOpen && !owesAcknowledgement) this.close(closes.shutdown);",
    },
    {
      name: "closing does not wait until all subscriptions have caught up",
      from: "if (!subscription.channel.isCaughtUp(subscription)) return;",
      to: "",
    },
    {
      name: "queued data is lost by a close",
      from: "    this.flush();\n    this.revoke(why);",
      to: "    this.revoke(why);",
    },
    {
      name: "a closed session still receives and sends",
      from: 'return this.#phase === "fresh" || this.isConnected;',
      to: 'return this.#phase !== "over";',
    },
    {
      name: "a session with an expired permission gets its queued data",
      from: "if (!this.isOpen || this.hasExpired()) return;\n    if (this.#needsBarrier())",
      to: "if (!this.isOpen) return;\n    if (this.#needsBarrier())",
    },
    {
      name: "the signal of a handler is not aborted when its session ends",
      from: "asking.abort(new ClosedError(",
      to: "void (new ClosedError(",
    },
    {
      name: "the end of a lost subscription is not sent to the client",
      from: "else this.unsubscribed(subscription.channel.name, unsubscribes.insufficientState);",
      to: "",
    },
    {
      name: "the loss of a server-side subscription does not close the session",
      from: "if (subscription.byServer) this.close(closes.insufficientState);\n    else ",
      to: "",
    },
    {
      name: "a cut socket is not terminated",
      from: 'if (this.#phase === "closing") this.#onSocket(() => this.#socket.terminate?.());',
      to: "",
    },
    {
      name: "announcements use the room for publications",
      from: "this.window.room - bytes < this.context.settings.window / 2",
      to: "this.window.room - bytes < -this.context.settings.window",
    },
    {
      name: "blocked subscriptions are served before waiting commands",
      from: "    work(this);\n    this.subscriptions.serveBlocked();",
      to: "    this.subscriptions.serveBlocked();\n    work(this);",
    },
  ]),
];
