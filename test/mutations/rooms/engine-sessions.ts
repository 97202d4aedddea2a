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
      name: "each command that the log does not answer is reported",
      from: 'if (stage === "log" && !context.health.knows(error)) context',
      to: 'if (stage === "origins" && !context.health.knows(error)) context',
    },
    {
      name: "a full append queue is an internal error for the client",
      from: 'if (error instanceof BusyError) return new Refusal(replies.tooManyRequests, "waiting");',
      to: "void BusyError;",
    },
  ]),
  ...inFile("engine/sessions/outbox", [
    {
      name: "queued pushes of a revoked channel are sent",
      from: "for (const text of texts) if (!isContent(text)) this.push(text);",
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
      name: "a session that is being closed waits for a pong",
      from: "if (this.#isClosing || !this.#window.hasPing)",
      to: "if (!this.#window.hasPing)",
    },
    {
      name: "a restored session has a whole heartbeat before its next ping",
      from: "    this.#pingAt = pingAt === undefined ? undefined : pingAt - passed;\n",
      to: "    this.#pingAt = pingAt === undefined ? undefined : now + settings.heartbeat;\n",
    },
    {
      name: "a restored session has no deadline to connect",
      from: "    this.#lateAt = connectBy === undefined ? undefined : connectBy - passed;\n",
      to: "",
    },
    {
      name: "all sessions leave at the same time",
      from: "leaving.spread * clock.random()",
      to: "leaving.spread * Math.min(0, clock.random())",
    },
    {
      name: "a session lasts as long as it likes",
      from: "      return this.#session.outlived();\n",
      to: "      return;\n",
    },
    {
      name: "a session leaves in the middle of a command",
      from: "(!this.#session.isAnswering || isDue(this.#leaveBy, now))",
      to: "(!this.#session.isAnswering || isDue(this.#leaveAt, now))",
    },
    {
      name: "a command keeps its session beyond its lifetime",
      from: "(!this.#session.isAnswering || isDue(this.#leaveBy, now))",
      to: "!this.#session.isAnswering",
    },
    {
      name: "a session that answered a command stays until the end of its lifetime",
      from: "return now < at ? at : Math.min(now + recheck, by);",
      to: "return now < at ? at : by;",
    },
    {
      name: "a restored session begins a new lifetime",
      from: "    if (this.#leaveAt !== undefined && leaveAt !== undefined) this.#leaveAt = leaveAt - passed;\n",
      to: "",
    },
    {
      name: "the outstanding ping of a restored session begins anew",
      from: "    this.#window.pingedAt = pingedAt - passed;\n",
      to: "    this.#window.pingedAt = now;\n",
    },
    {
      name: "a restored session is closed before its pong could be read",
      from: "    if (left < tolerance) this.#excused = now + tolerance;\n",
      to: "    if (left < -tolerance * 1e9) this.#excused = now + tolerance;\n",
    },
    {
      name: "a ping behind data is an ordinary one after a restoration",
      from: "    this.#behindData = behindData;\n",
      to: "",
    },
    {
      name: "pings come late on a clock whose long waits end late",
      from: "return lastSlot(Math.floor((now + heartbeat) / grain) * grain);",
      to: "return lastSlot(now + heartbeat);",
    },
    {
      name: "pings are rounded up to a whole grain",
      from: "return lastSlot(Math.floor((now + heartbeat) / grain) * grain);\n  }\n",
      to: "return Math.floor((now + heartbeat) / grain) * grain + 0 * lastSlot(0);\n  }\n",
    },
    {
      name: "a session pings a client that pings itself",
      from: "if (this.#pingAt !== undefined) this.#pingAt = this.#nextPing(now);",
      to: "this.#pingAt = this.#nextPing(now);",
    },
    {
      name: "a second ping in place of another has no time of its own",
      from: "    this.#window.pingAgain(bytes, this.#context.clock.now());\n",
      to: "    this.#window.pingAgain(bytes, this.#window.pingedAt);\n",
    },
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
      from: "else this.#session.beat();",
      to: "this.#session.beat();",
    },
    {
      name: "a permission does not expire while the machine sleeps",
      from: "return Math.min(this.#expiresAt - clock.now(), this.#expires - clock.time());",
      to: "return this.#expiresAt - clock.now();",
    },
  ]),
  ...inFile("engine/sessions/session", [
    {
      name: "a client that posts may begin with a pong",
      from: "this.secret === undefined || !this.isConnected",
      to: "this.secret === undefined",
    },
    {
      name: "a restored session counts as fresh",
      from: '      if (restored.isConnected) this.#phase = "connected";\n',
      to: "",
    },
    {
      name: "a restored session has nothing in flight",
      from: "      if (restored.window !== undefined) this.window.restore(restored.window);\n",
      to: "",
    },
    {
      name: "a restored session has forgotten that its client acknowledges",
      from: "      this.acknowledges = restored.acknowledges;\n",
      to: "",
    },
    {
      name: "the state can be read while something is queued",
      from: "return this.isOpen && this.out.isEmpty ? stateOf(this) : undefined;",
      to: "return this.isOpen ? stateOf(this) : undefined;",
    },
    {
      name: "a client that pings itself is never closed for silence",
      from: "if (silence > longestSilence) this.exceed",
      to: "if (silence > longestSilence * 1e9) this.exceed",
    },
    {
      name: "a client that pings itself is heard only by the host",
      from: "const silence = Math.min(clock.time() - at, clock.now() - this.queue.at);",
      to: "const silence = clock.time() - at;",
    },
    {
      name: "a client that pings itself is not heard by its pongs",
      from: "    if (this.pingsItself) this.queue.charge(0, this.context.clock.now());\n",
      to: "",
    },
    {
      name: "any client counts as one that pings itself",
      from: 'if (client === "tocsin" && this.socket.answersPings === true)',
      to: "if (client !== undefined && this.socket.answersPings === true)",
    },
    {
      name: "clients ping themselves where no host answers",
      from: 'if (client === "tocsin" && this.socket.answersPings === true) this.flags',
      to: 'if (client === "tocsin") this.flags',
    },
    {
      name: "a silent host's sessions expire late",
      from: "if (!this.pingsItself || !this.isOpen || this.hasExpired()) return;",
      to: "if (!this.pingsItself || !this.isOpen) return;",
    },
    {
      name: "a doubtful pong proves something",
      from: "      this.flags = withPongTaken(this.flags, this.window.hasPing);\n      return;\n",
      to: "      this.flags = withPongTaken(this.flags, this.window.hasPing);\n",
    },
    {
      name: "a client whose pong was mistaken is closed",
      from: "if (this.isOpen && mayBeAnswered(this.flags)) return this.#askAgain();",
      to: "if (!this.isOpen && mayBeAnswered(this.flags)) return this.#askAgain();",
    },
    {
      name: "a client that falls silent is asked for ever",
      from: "    this.flags = withoutDoubt(this.flags);\n    const { ping }",
      to: "    const { ping }",
    },
    {
      name: "a new subscription can be lost",
      from: "    this.subscriptions.add(subscription);\n    this.note(true);\n",
      to: "    this.subscriptions.add(subscription);\n",
    },
    {
      name: "the end of a subscription can be lost",
      from: "    subscription.channel.remove(subscription);\n    this.note(true);\n",
      to: "    subscription.channel.remove(subscription);\n",
    },
    {
      name: "a refreshed permission can be lost",
      from: "    this.timers.extend(expires);\n    this.note(true);\n",
      to: "    this.timers.extend(expires);\n",
    },
    {
      name: "a pong is not kept",
      from: "  pong(): void {\n    this.note(false);\n",
      to: "  pong(): void {\n",
    },
    { name: "an ended session is not removed", from: "    this.context.left(this, !wasOpen);\n", to: "" },
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
      from: 'if (this.#phase === "closing") this.#onSocket(() => this.socket.terminate?.());',
      to: "",
    },
    {
      name: "blocked subscriptions are served before waiting commands",
      from: "    work(this);\n    this.subscriptions.serveBlocked();",
      to: "    this.subscriptions.serveBlocked();\n    work(this);",
    },
  ]),
  ...inFile("engine/sessions/session-output", [
    {
      name: "a session with an expired permission gets its queued data",
      from: "if (!this.isOpen || this.hasExpired()) return;\n    if (this.needsBarrier())",
      to: "if (!this.isOpen) return;\n    if (this.needsBarrier())",
    },
    {
      name: "announcements use the room for publications",
      from: "this.window.room - bytes < this.context.settings.window / 2",
      to: "this.window.room - bytes < -this.context.settings.window",
    },
    {
      name: "a host is told of a state that cannot be read",
      from: "if (!this.isOpen || !this.out.isEmpty) return;",
      to: "if (!this.isOpen) return;",
    },
    {
      name: "a host is told the same twice",
      from: "    this.flags &= ~(flag.changed | flag.urgent);\n",
      to: "",
    },
    {
      name: "a host is told before the frame is sent",
      from: "      if (frame !== undefined) {\n        this.socket.send(frame);",
      to: "      this.#tellChanged();\n      if (frame !== undefined) {\n        this.socket.send(frame);",
    },
    {
      name: "no change is urgent",
      from: "isUrgent ? flag.changed | flag.urgent : flag.changed",
      to: "isUrgent ? flag.changed : flag.changed",
    },
    {
      name: "a host is told of a change only once something is sent",
      from: "    if (frame === undefined && (this.flags & flag.changed) === 0) return;\n",
      to: "    if (frame === undefined) return;\n",
    },
    {
      name: "a host is not told that a subscription waits for room",
      from: "    this.subscriptions.block(subscription);\n    this.note(false);\n",
      to: "    this.subscriptions.block(subscription);\n",
    },
  ]),
  ...inFile("engine/sessions/session-state", [
    {
      name: "a state has the flags that only this process needs",
      from: "    (flags & kept) |",
      to: "    flags |",
    },
    {
      name: "a channel that the peer is granted is named twice",
      from: "indices.get(name) ?? name, base",
      to: "name, base",
    },
    {
      name: "the info of a peer is kept as it is",
      from: 'return typeof value === "string" ? value : JSON.parse(JSON.stringify(value));',
      to: "return value;",
    },
    {
      name: "the refreshed end of a permission is forgotten",
      from: '    ...(until !== expires && finite("until", until)),\n',
      to: "",
    },
    {
      name: "a stale state keeps its outstanding ping",
      from: "window: isStale && window !== undefined ? withoutPing(window) : window,",
      to: "window: window !== undefined && withoutPing.length > 0 ? window : undefined,",
    },
    {
      name: "after a stale state every pong proves something",
      from: "doubtOneMore(flags & ~flag.pongTaken) | flag.stale",
      to: "(flags & ~flag.pongTaken) | (doubtOneMore(0) && flag.stale)",
    },
    {
      name: "a state of another version is read",
      from: "if (!isObject(state) || state.format !== 1) return false;",
      to: "if (!isObject(state)) return false;",
    },
    {
      name: "a state with two subscriptions to one channel is read",
      from: "if (new Set(names).size < names.length) return false;",
      to: "if (new Set(names).size < 0) return false;",
    },
    {
      name: "a window of another length is read",
      from: ") || window.length !== 5) return false;",
      to: ")) return false;",
    },
    {
      name: "a blocked subscription that does not exist is read",
      from: "isNatural(each) && each < subscriptions.length",
      to: "isNatural(each)",
    },
    {
      name: "which subscriptions wait for room is forgotten",
      from: "    ...(subscriptions.hasBlocked && { blocked: indicesOf(subscriptions.blocked, all) }),\n",
      to: "    ...(subscriptions.hasBlocked && indicesOf([], all).length > 0 && {}),\n",
    },
    {
      name: "when a client last acknowledged is forgotten",
      from: "if (acknowledged > proof.since) last = Math.max(last, acknowledgedAt);",
      to: "if (acknowledged < proof.since) last = Math.max(last, acknowledgedAt);",
    },
  ]),
  ...inFile("engine/sessions/doubtful-pongs", [
    {
      name: "a doubtful pong stays doubtful",
      from: "const fewer = flags - flag.doubtfulPong;",
      to: "const fewer = flags;",
    },
    {
      name: "a pong that may have been its own does not answer a ping",
      from: "return hasPing ? fewer | flag.pongTaken : fewer;",
      to: "return hasPing ? fewer : fewer;",
    },
    {
      name: "one lost process too many overflows the flags",
      from: "return isMost ? flags : flags + flag.doubtfulPong;",
      to: "return isMost ? 0 : flags + flag.doubtfulPong;",
    },
    {
      name: "doubt never ends",
      from: "return flags & ~(flag.pongTaken | doubtfulPongs);",
      to: "return flags | (flag.pongTaken & doubtfulPongs);",
    },
  ]),
  ...inFile("engine/sessions/post-order", [
    {
      name: "a post overtakes those before it",
      from: "if (first > next) return this.#hold(",
      to: "if (first > Infinity) return this.#hold(",
    },
    {
      name: "a post that comes twice is handled twice",
      from: "if (first < next && !this.#isPassed(first)) return;",
      to: "",
    },
    {
      name: "a post that comes late is dropped",
      from: "this.#passed.push({ first: this.#next ?? held.first, last: held.first - 1 });",
      to: "",
    },
    { name: "any number of posts may wait", from: "this.#held.length > most || ", to: "" },
    {
      name: "posts of any size may wait",
      from: " || this.#chars > this.#context.settings.limits.commandChars",
      to: "",
    },
    {
      name: "a post waits for ever",
      from: "      this.#cancel = undefined;\n      this.#passOver();",
      to: "      this.#cancel = undefined;",
    },
    {
      name: "an id far ahead holds up everything",
      from: "if (id === 0 || id > most) continue;",
      to: "if (id === 0) continue;",
    },
  ]),
];
