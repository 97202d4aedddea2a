import { inFile, type Mutation } from "../mutation.ts";

export const hostsCloudflare: readonly Mutation[] = [
  ...inFile("hosts/cloudflare/limits", [
    {
      name: "a limit of an object that is undefined is the one of other hosts",
      from: "([, value]) => value !== undefined",
      to: "() => true",
    },
    {
      name: "an object with raised limits contradicts itself",
      from: "Math.max(commandTotalChars, 2 * commandChars)",
      to: "Math.max(commandTotalChars, commandChars)",
    },
    {
      name: "a given limit on all commands is replaced",
      from: "{ commandTotalChars: Math.max(commandTotalChars, 2 * commandChars), ...limits }",
      to: "{ ...limits, commandTotalChars: Math.max(commandTotalChars, 2 * commandChars) }",
    },
  ]),
  ...inFile("hosts/cloudflare/life", [
    { name: "an object has the limits of other hosts", from: "limitsOfObject(limits)", to: "limits ?? {}" },
    {
      name: "an object has the window of other hosts",
      from: "window = objectWindow",
      to: "window = undefined",
    },
    {
      name: "an object pings stock clients as often as a process",
      from: "heartbeat = 300_000",
      to: "heartbeat = 25_000",
    },
    { name: "the options of an object are not checked", from: "    checkOptions(options);\n", to: "" },
    { name: "a new life does not restore its sessions", from: "    this.#sockets.restore();\n", to: "" },
    {
      name: "the pings of our own client wake the object",
      from: "state.setWebSocketAutoResponse(autoResponse(ownPing, ownPing));",
      to: "void [autoResponse, ownPing];",
    },
    {
      name: "a life whose notifier has closed goes on",
      from: "notifier.closed.then(() => this.#end());",
      to: "notifier.closed;",
    },
    {
      name: "a life that is over disturbs the alarm of the next one",
      from: "    this.#alarm.end();\n",
      to: "",
    },
    {
      name: "a life that is over keeps looking",
      from: "    if (this.isOver) return;\n    let isQuiet",
      to: "    let isQuiet",
    },
    { name: "a life looks only once", from: "      if (!isQuiet) this.stir();\n", to: "" },
    {
      name: "a look that fails is the last one",
      from: "    } finally {\n      this.#isWatching = false;\n      if",
      to: "      this.#isWatching = false;\n    } finally {\n      if",
    },
    {
      name: "an object sleeps though states are not kept",
      from: "return this.notifier.rest() && isKept;",
      to: "return this.notifier.rest() || isKept;",
    },
    {
      name: "progress is never kept exactly",
      from: "const isKept = this.#sockets.settle();",
      to: "const isKept = true;",
    },
    {
      name: "clients that ping themselves are never looked after",
      from: "if (now - this.#sweptAt >= sweep) {",
      to: "if (now < 0 && sweep > 0) {",
    },
    {
      name: "the alarm of a run is deleted at the next look",
      from: "return runs > 0 ||",
      to: "return runs < 0 ||",
    },
    {
      name: "what is held does not set the alarm in its turn",
      from: "alarmedLog(this.log, () => this.#alarm.wakeBy(this.#soon))",
      to: "alarmedLog(this.log, () => {})",
    },
    {
      name: "the call of an alarm ends before the next alarm is set",
      from: "return new Promise((resolve) => this.#rung.push(resolve));",
      to: "return Promise.resolve();",
    },
    {
      name: "the call of an alarm never ends if the notifier closes",
      from: "    this.#alarm.end();\n    for (const isSet of this.#rung) isSet();\n",
      to: "    this.#alarm.end();\n",
    },
    {
      name: "no next life reports a confirmed publication whose time is short",
      from: "confirmed > 0 && this.#clock.isTiming",
      to: "confirmed < 0 && this.#clock.isTiming",
    },
    {
      name: "an alarm whose times cannot be deleted ends no waits",
      from: "    } finally {\n      this.#clock.ring();\n    }",
      to: "      this.#clock.ring();\n    } finally {\n    }",
    },
    {
      name: "the app of an object is made for each request",
      from: "this.#app ??= this",
      to: "this.#app = this",
    },
    {
      name: "the app of an object cannot go on after its response",
      from: "this.#app.fetch(request, this.#env as object, this.#execution)",
      to: "this.#app.fetch(request, this.#env as object)",
    },
  ]),
  ...inFile("hosts/cloudflare/alarm", [
    {
      name: "an alarm is set again for a later time",
      from: "(this.#at === undefined || time < this.#at)",
      to: "time > 0",
    },
    {
      name: "the times that a user asks for are forgotten with the life",
      from: "const time = Math.min(due, this.#asked);",
      to: "const time = due;",
    },
    {
      name: "a new life does not know the alarm that is set",
      from: "this.#at ??= stored ?? Infinity;",
      to: "this.#at ??= stored === null ? Infinity : Infinity;",
    },
    {
      name: "an alarm that was set meanwhile is forgotten",
      from: "this.#at ??= stored",
      to: "this.#at = stored",
    },
    {
      name: "an alarm for nothing is not deleted",
      from: "        await this.#storage.deleteAlarm();\n",
      to: "",
    },
    {
      name: "a life that is over sets the alarm after a look",
      from: "      if (this.#isOver) return;\n",
      to: "",
    },
    {
      name: "an alarm that has rung counts as set",
      from: "    this.#at = Infinity;\n    this.#asked = undefined;\n    this.#rows",
      to: "    this.#asked = undefined;\n    this.#rows",
    },
    {
      name: "times that have come are kept",
      from: 'this.#rows("DELETE FROM tocsin_alarms WHERE time <= ?", now);',
      to: "void now;",
    },
    {
      name: "an alarm that could not be set counts as set",
      from: "  #failed(error: unknown): void {\n    this.#at = undefined;\n",
      to: "  #failed(error: unknown): void {\n",
    },
    {
      name: "any number is a time to be woken at",
      from: "if (!(time > earliest && time < latest))",
      to: "if (Number.isNaN(time))",
    },
  ]),
  ...inFile("hosts/cloudflare/object-clock", [
    { name: "long waits keep an object awake", from: "if (ms <= longest) {", to: "if (ms <= 2 ** 31) {" },
    {
      name: "a timer that has fired counts as one",
      from: "        this.#timers.delete(timer);\n        this.#stir();",
      to: "        this.#stir();",
    },
    {
      name: "a timer that is cancelled counts as one",
      from: "          this.#timers.delete(timer);\n          timer.cancel();",
      to: "          timer.cancel();",
    },
    {
      name: "an alarm of another century is set",
      from: "Math.min(ms, maxDelay)",
      to: "Math.max(ms, Math.min(ms, maxDelay))",
    },
    {
      name: "waits that could end together wake the object one by one",
      from: "return Math.ceil(earliest / this.grain) * this.grain;",
      to: "return earliest;",
    },
    { name: "waits end before they are due", from: "if (wait.due <= now && this", to: "if (now > 0 && this" },
    {
      name: "time runs backwards in an object",
      from: "this.#now = Math.max(this.#now, this.time());",
      to: "this.#now = this.time();",
    },
  ]),
  ...inFile("hosts/cloudflare/object-socket", [
    {
      name: "a state that may be old looks exact",
      from: "    this.#isMarked = isStale;\n    this.#write(state, isStale);",
      to: "    this.#isMarked = isStale;\n    this.#write(state, false);",
    },
    {
      name: "progress is written at once, each time",
      from: "else if (this.#isMarked) this.#hasGoneOn = true;",
      to: "else if (this.#isMarked && this.#hasGoneOn) this.#hasGoneOn = true;",
    },
    {
      name: "a new subscription is kept with the next progress",
      from: "if (isUrgent) this.keep(this.#isMarked);",
      to: "if (isUrgent) this.#hasGoneOn = true;",
    },
    {
      name: "a new subscription makes a marked state look exact",
      from: "this.keep(this.#isMarked);",
      to: "this.keep(false);",
    },
    {
      name: "progress within the last second is taken for none",
      from: "this.keep(this.#hasGoneOn);",
      to: "this.keep(false);",
    },
    {
      name: "a state is too large for its socket",
      from: "const attachmentBytes = 16_000;",
      to: "const attachmentBytes = 17_000;",
    },
    {
      name: "a character takes one byte",
      from: "text.length : 2 * text.length",
      to: "text.length : text.length",
    },
    {
      name: "the row of a state that fits again is left",
      from: "state: text } satisfies Attachment);\n      this.#discard();",
      to: "state: text } satisfies Attachment);",
    },
    {
      name: "the state of a session that is over is left",
      from: "    this.raw.serializeAttachment(null);\n",
      to: "",
    },
    {
      name: "a message is sent to a closing socket",
      from: "if (this.raw.readyState === open) this",
      to: "if (open) this",
    },
    {
      name: "a close is answered with the code of a lost connection",
      from: 'raw.close(isLegal ? code : 1000, isLegal ? reason : "");',
      to: "raw.close(isLegal ? code : code, reason);",
    },
    {
      name: "a session that was cut is remembered until its peer leaves",
      from: "    this.#keeper.left(this);\n",
      to: "",
    },
  ]),
  ...inFile("hosts/cloudflare/sockets", [
    {
      name: "an accepted socket is not kept until there is progress",
      from: "    this.#attempt(socket, () => socket.keep(false));\n",
      to: "",
    },
    {
      name: "sockets of the user's own are taken for those of sessions",
      from: "state.getWebSockets(tag).filter",
      to: '[...state.getWebSockets(tag), ...state.getWebSockets("own")].filter',
    },
    {
      name: "a socket that is closing is restored",
      from: ".filter(({ readyState }) => readyState === open)",
      to: ".filter(() => open === 1)",
    },
    {
      name: "a socket without a state stays open, without a session",
      from: "        this.#lose(new ObjectSocket(raw, this, undefined), error);\n",
      to: "        void error;\n",
    },
    { name: "a stale session is taken for exact", from: "authorize, isStale });", to: "authorize });" },
    {
      name: "a stale session is never kept exactly",
      from: "      if (isStale) socket.keep(true);\n",
      to: "",
    },
    {
      name: "a restored session has none of the functions of its peer",
      from: "{ ...functions, authorize, isStale }",
      to: "{ authorize, isStale }",
    },
    {
      name: "states of sessions that are gone are kept for ever",
      from: "      this.#parts.table.retain(stored);\n",
      to: "      void stored;\n",
    },
    {
      name: "states of sessions that are there are deleted",
      from: "if (attachment.state === undefined) stored.add(attachment.id);",
      to: "void attachment;",
    },
    {
      name: "a session does not end with its socket",
      from: "      socket.session?.ended(code);\n",
      to: "",
    },
    {
      name: "a close is not answered",
      from: "    reciprocate(raw, code, reason);\n",
      to: "    void [reciprocate, code, reason];\n",
    },
    {
      name: "a session that cannot be kept is lost in silence",
      from: '    this.#parts.notifier.report(error, { stage: "host", owner });\n    this.left',
      to: "    void [error, owner];\n    this.left",
    },
    {
      name: "a session that cannot be kept stays with a socket that is closed",
      from: "    session?.ended(closes.reconnect.code);\n",
      to: "",
    },
    {
      name: "the client of a session that cannot be kept is not told",
      from: "    socket.close(closes.reconnect.code, closes.reconnect.reason);\n",
      to: "",
    },
    {
      name: "a state that cannot be read yet is never kept",
      from: "() => socket.settle() && this.#unsettled.delete(socket)",
      to: "() => (socket.settle(), this.#unsettled.delete(socket))",
    },
  ]),
  ...inFile("hosts/cloudflare/session-table", [
    {
      name: "the rows of a longer state are left",
      from: "      this.delete(id);\n      for",
      to: "      for",
    },
    {
      name: "a character of two code units is cut in two",
      from: "isLeadSurrogate(text.charCodeAt(last)) ? last : last + 1",
      to: "isLeadSurrogate(text.charCodeAt(last)) ? last + 1 : last + 1",
    },
    {
      name: "a table that could not be created is taken for there",
      from: "    if (this.#isThere) return;\n",
      to: "    if (this.#isThere) return;\n    this.#isThere = true;\n",
    },
  ]),
  ...inFile("hosts/cloudflare/upgrades", [
    {
      name: "a failed upgrade of an object keeps its place",
      from: "      handlers.abandon();\n",
      to: "",
    },
    {
      name: "a failed upgrade of an object is not reported",
      from: "      handlers.report(error, path);\n",
      to: "      void error;\n",
    },
    {
      name: "an object does not answer the subprotocol",
      from: "if (protocol !== undefined) headers",
      to: 'if (protocol === "") headers',
    },
    {
      name: "an identity has functions that do not outlive a sleep",
      from: "if (given === functions[name as keyof PeerFunctions]) continue;",
      to: "if (given !== undefined || functions[name as keyof PeerFunctions]) continue;",
    },
    {
      name: "nobody is taken for an anonymous user",
      from: "if (identity === null || identity === undefined) return null;",
      to: 'if (identity === null || identity === undefined) return { user: "" };',
    },
  ]),
  ...inFile("hosts/cloudflare/options", [
    {
      name: "a promise of the functions of a peer is taken for none",
      from: '=== "function")\n    throw new TypeError("Cannot use a promise',
      to: '=== "no type")\n    throw new TypeError("Cannot use a promise',
    },
    {
      name: "what else peer returns is part of the peer",
      from: "return functionsOf(given);",
      to: "return { ...given, ...functionsOf(given) };",
    },
  ]),
  ...inFile("hosts/cloudflare/check-options", [
    {
      name: "a misspelt option of an object is not noticed",
      from: '  checkNames("options()", options, names);\n',
      to: "  void names;\n",
    },
    {
      name: "a promise of options is taken for options",
      from: ' || typeof (options as { then?: unknown }).then === "function"',
      to: "",
    },
    {
      name: "a misspelt bound of the log is not noticed",
      from: '  checkNames("log", log, bounds);\n',
      to: "  void bounds;\n",
    },
  ]),
  ...inFile("hosts/cloudflare/route", [
    {
      name: "a request without a name wakes an object",
      from: 'if (typeof name !== "string" || name === "")',
      to: 'if (typeof name !== "string")',
    },
  ]),
  ...inFile("hosts/cloudflare/notifier-object", [
    {
      name: "the sockets of a closed notifier begin another life",
      from: "return this.#life ?? this.#awake;",
      to: "return this.#awake;",
    },
    {
      name: "a class may use the notifier in its options",
      from: "if (this.#isBeginning)",
      to: "if (this.#isBeginning && this.#life !== undefined)",
    },
    {
      name: "a socket that has failed keeps its session",
      from: 'this.#last.ended(socket as unknown as HibernatableSocket, 1006, "");',
      to: "void socket;",
    },
    {
      name: "a class goes on with a life whose notifier has closed",
      from: "if (this.#life === undefined || this.#life.isOver) this",
      to: "if (this.#life === undefined) this",
    },
  ]),
];
