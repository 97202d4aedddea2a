import { inFile, type Mutation } from "../mutation.ts";

export const engineHub: readonly Mutation[] = [
  ...inFile("engine/hub/close", [
    {
      name: "what a closing node learns last is not told",
      from: '  await hub.settled("tell the other nodes", deadlines.over, hub.nodes.flush());\n',
      to: "",
    },
    {
      name: "what was confirmed last is not released in the log",
      from: "  hub.appends.commits?.run();\n",
      to: "",
    },
    {
      name: "closing does not cancel the runs",
      from: 'for (const run of runs) run.cancelBy("shutdown", undefined, cause);',
      to: "",
    },
    {
      name: "runs may use the whole grace",
      from: 'hub.settled("runs to end", half,',
      to: 'hub.settled("runs to end", late,',
    },
    {
      name: "a run that ignores its signal is not abandoned",
      from: 'await hub.settled("runs to be given up", late, Promise.all(runs.map((run) => run.abandon())));',
      to: "",
    },
    {
      name: "closing does not wait for appends in progress",
      from: 'await hub.settled("publications under way", deadlines.late, hub.appends.idle());',
      to: "",
    },
    {
      name: "closing waits for peers that were already silent for the grace",
      from: "new Map(Array.from(hub.sessions, (session) => [session, session.silence]))",
      to: "new Map<LiveSession, number>()",
    },
    {
      name: "a peer that was silent when closing began is cut although it has answered since",
      from: "if (Math.min(silences.get(session) ?? 0, session.silence) < hub.grace) return;",
      to: "if ((silences.get(session) ?? 0) < hub.grace) return;",
    },
    {
      name: "entries whose wake is pending are not read before closing",
      from: "for (const channel of hub.channels.values()) channel.refresh();",
      to: "",
    },
    {
      name: "clients get no time to acknowledge while closing",
      from: "  hub.awaitsAcknowledgements = true;\n",
      to: "",
    },
    {
      name: "closing waits for acknowledgements until the end of the grace",
      from: "    hub.awaitsAcknowledgements = false;\n",
      to: "",
    },
    { name: "the end of a session is not noticed while closing", from: "hub.onSessionEnd = check;", to: "" },
    {
      name: "the close report uses the last known top of channels",
      from: "      (slice) => void known.set(name, slice.top),\n",
      to: "      () => {},\n",
    },
    {
      name: "closing waits for slow subscribers during the whole grace",
      from: "hub.scope.link(deadlines.half, () => hub.appends.hasten());",
      to: "hub.scope.link(deadlines.half, () => {});",
    },
    {
      name: "the log is not closed",
      from: 'await hub.settled("close the log", deadlines.over, hub.log.close());',
      to: "",
    },
  ]),
  ...inFile("engine/hub/follow", [
    {
      name: "follow skips an entry between two reads",
      from: "position = { offset: entry.offset, epoch",
      to: "position = { offset: entry.offset + 1, epoch",
    },
    { name: "a wake during a read of follow is lost", from: "if (woken) continue;", to: "" },
    { name: "the wake listener of follow stays after its end", from: "    unlisten();\n", to: "" },
    { name: "follow never releases its channel", from: "    release();\n", to: "" },
    {
      name: "follow yields entries after its signal has aborted",
      from: "if (signal?.aborted) throw signal.reason;",
      to: "",
    },
    {
      name: "return() does not end a waiting follow",
      from: "    following.isOver = true;\n    following.wake();\n",
      to: "    following.isOver = true;\n",
    },
  ]),
  ...inFile("engine/hub/gate", [
    {
      name: "the limit of all sessions is not checked",
      from: "const isFull = sessions.size + this.#reserved.size >= settings.limits.sessions;",
      to: "const isFull = sessions.size < 0;",
    },
    {
      name: "pending handshakes do not count as sessions",
      from: "sessions.size + this.#reserved.size >=",
      to: "sessions.size >=",
    },
    {
      name: "pending handshakes of a user do not count as sessions",
      from: "sessions.countOf(user) + (this.#byUser.get(user) ?? 0) >=",
      to: "sessions.countOf(user) >=",
    },
    {
      name: "an abandoned handshake keeps its place for ever",
      from: "if (clock.now() - reservation.since < settings.limits.connect) return;",
      to: "if (clock.now() >= reservation.since) return;",
    },
    {
      name: "a refusal of a session that never connected is not reported",
      from: "if (wasFresh && refusals.includes(why)) this.refused(why);",
      to: "",
    },
  ]),
  ...inFile("engine/hub/node-count", [
    {
      name: "the nodes are counted at every call",
      from: "if (!this.#isReading && clock.now() - this.#readAt >= freshness) void this.#read();",
      to: "if (!this.#isReading) void this.#read();",
    },
    {
      name: "nodes that cannot be counted are reported besides the outage",
      from: '      context.health.failed("reads", error);\n',
      to: "",
    },
  ]),
  ...inFile("engine/hub/log-totals", [
    {
      name: "a process that has lost its place counts as a member",
      from: '  if (health.isLost) return "lost";\n',
      to: "",
    },
    {
      name: "a closed notifier waits for its place",
      from: "!records.isKept || scope.isOver",
      to: "!records.isKept",
    },
    {
      name: "the lag is the age of the newest that waits",
      from: '(kind === "wait" ? Math.max(lag, age) : lag), 0)',
      to: '(kind === "wait" ? Math.min(lag, age) : lag), 9e9)',
    },
  ]),
  ...inFile("engine/hub/stats", [
    {
      name: "releases that the log has not answered are not listed",
      from: "releasing === 0 ? [] :",
      to: "releasing < 1e9 ? [] :",
    },
  ]),
  ...inFile("engine/hub/hub", [
    {
      name: "each part reports an outage of the log",
      from: 'if (stage === "log" && this.#isReported(error)) return;',
      to: "",
    },
    {
      name: "the loss of the place in the log is no failure",
      from: "if (error instanceof LogError && error.lasting && !health.knows(error))",
      to: 'if (error instanceof LogError && error.name === "" && !health.knows(error))',
    },
    {
      name: "an outage outlives the notifier",
      from: "    this.health.clear();\n",
      to: "",
    },
    {
      name: "a restored session counts as opened",
      from: "    if (!isRestored) this.counters.opened();\n",
      to: "    this.counters.opened();\n",
    },
    {
      name: "the owner in an error may contain line breaks",
      from: "{ stage, owner: printable(owner) }",
      to: "{ stage, owner }",
    },
    {
      name: "the failure of the log does not close the sessions",
      from: "for (const session of [...this.sessions]) session.close(closes.internal);",
      to: "",
    },
  ]),
  ...inFile("engine/hub/everywhere", [
    {
      name: "what is told while a node joins is not done there",
      from: "    nodes.onBegin.push(actAll);\n",
      to: "",
    },
    {
      name: "what a node may have missed is not done there",
      from: 'if (to === "all") actAll();',
      to: "void to;",
    },
    {
      name: "a node does not do itself what it tells others",
      from: "    this.#act(topic);\n    return ignorable(this.#tellOthers(topic));",
      to: "    return ignorable(this.#tellOthers(topic));",
    },
    {
      name: "the failure to tell others ends the process",
      from: "ignorable(this.#tellOthers(topic))",
      to: "(ignorable(Promise.resolve()), this.#tellOthers(topic))",
    },
    {
      name: "one that throws keeps the others from acting",
      from: 'attended(act, (error) => this.#context.report(error, "internal", owner));',
      to: "act();\n    void [attended, owner];",
    },
    {
      name: "a topic of another shape is not counted",
      from: 'else counters.hit("messages");',
      to: "void counters;",
    },
  ]),
  ...inFile("engine/hub/revocation", [
    {
      name: "a node that has missed messages of its own closes its sessions",
      from: 'if (to === "all") for (const session',
      to: "void to;\n    for (const session",
    },
    {
      name: "a disconnected session gets its queued data",
      from: "if (matches) session.revoke(",
      to: "if (matches) session.close(",
    },
    {
      name: "a queued reply that contains a revoked channel is sent",
      from: "if (!session.out.withhold(channel, codec)) return session.revoke(closes.reconnect);",
      to: "session.out.withhold(channel, codec);",
    },
    {
      name: "the queued data of a revoked channel is sent",
      from: "if (!session.out.withhold(channel, codec)) return session.revoke(closes.reconnect);",
      to: "",
    },
    {
      name: "a revoked channel stays in the peer's list of channels",
      from: "peer.channels.filter((name) => name !== channel)",
      to: "peer.channels",
    },
  ]),
  ...inFile("engine/hub/inheritance", [
    {
      name: "a log that fails to be joined is not tried again",
      from: 'return tryAgain(this.#context, "join the log", attempt, signal);',
      to: "return attempt();",
    },
    {
      name: "closing waits for a log that cannot be joined",
      from: 'this.#leaving?.abort(closed("join the log"));',
      to: "",
    },
    {
      name: "waiting for another process is not reported",
      from: 'const quiet = scope.timer("join the log", patience, () => this.#reportWait());',
      to: 'const quiet = scope.timer("join the log", patience, () => {});',
    },
    {
      name: "the runs that a process has left are not ended",
      from: "isKnown = await this.#lostRuns.end({ record, channel, position });",
      to: "void channel;",
    },
    {
      name: "what is inherited twice is brought to an end twice",
      from: "      if (this.#inherited.get(record) === place) continue;\n",
      to: "",
    },
    {
      name: "an heir that is lost goes on with what it has inherited",
      from: "const isOver = (): boolean => place.lost !== undefined;",
      to: "const isOver = (): boolean => false;",
    },
    {
      name: "what another version has left is not counted",
      from: '    this.#context.counters.hit("messages");\n',
      to: "",
    },
    {
      name: "what another version has left is reported again and again",
      from: "    if (this.#isForeignReported) return;\n",
      to: "",
    },
    {
      name: "a node that is lost does not join again",
      from: "else if (this.joining === undefined) this.#enter(this.#leaving.signal);",
      to: "",
    },
    {
      name: "the runs of a node that is lost go on",
      from: "    runs.lose(error);\n",
      to: "",
    },
    {
      name: "a node that is lost keeps what it has confirmed",
      from: "    ledger.disown();\n",
      to: "",
    },
    {
      name: "a node that is lost reads messages under its old name",
      from: "    nodes.end({ isForGood: lasting !== undefined });\n",
      to: "",
    },
    {
      name: "what a node learns while it joins again is told to nobody",
      from: "nodes.end({ isForGood: lasting !== undefined });",
      to: "nodes.end({ isForGood: true });",
    },
    {
      name: "the sessions of a process that is lost for ever stay",
      from: "for (const session of [...sessions]) session.close(closes.internal);",
      to: "void closes.internal;",
    },
    {
      name: "a store that was set back is not renewed",
      from: "renewed: () => this.#renewal.begin(),",
      to: "renewed: () => {},",
    },
    {
      name: "a process whose place is lost while it is joining has none",
      from: "while (place === undefined || place.lost !== undefined) {",
      to: "while (place === undefined) {",
    },
  ]),
  ...inFile("engine/hub/renewal", [
    {
      name: "what waits to be confirmed is not held again",
      from: "      await this.#holdConfirmed();\n",
      to: "",
    },
    {
      name: "that a store was set back is reported each time",
      from: "if (this.#underWay++ === 0) {",
      to: "if (this.#underWay++ >= 0) {",
    },
  ]),
  ...inFile("engine/hub/rest", [
    {
      name: "a notifier rests while something is in progress",
      from: "return scope.size === deadlines && isIdle(hub) && isKept(hub);",
      to: "return scope.size >= deadlines && isIdle(hub) && isKept(hub);",
    },
    {
      name: "a notifier rests before its turn",
      from: "if (!turn.isIdle || uses > 0 ||",
      to: "if ((!turn.isIdle && uses < 0) || uses > 0 ||",
    },
    {
      name: "a notifier rests while somebody follows a channel",
      from: "if (!turn.isIdle || uses > 0 ||",
      to: "if (!turn.isIdle || uses < 0 ||",
    },
    {
      name: "a notifier rests while a publication waits",
      from: 'appends.size + appends.count("timer")',
      to: 'appends.count("timer")',
    },
    {
      name: "a notifier rests while a command waits",
      from: "&& commandQueues.chars < 1 &&",
      to: "&& commandQueues.chars < Infinity &&",
    },
    {
      name: "a notifier rests while a client comes in",
      from: "&& gate.isFree &&",
      to: "&& (gate.isFree || true) &&",
    },
    {
      name: "a notifier rests while it remembers notices",
      from: "&& notices.areForgotten &&",
      to: "&& (notices.areForgotten || true) &&",
    },
    {
      name: "a notifier rests while a socket is being closed",
      from: "if (closing > 0 || records",
      to: "if (closing < 0 || records",
    },
    {
      name: "a notifier rests although only its memory has a confirmed publication",
      from: "return records.isKept || ledger.taken.confirmed === 0;",
      to: "return records.isKept || ledger.taken.confirmed >= 0;",
    },
    {
      name: "a notifier rests while a record is being released",
      from: "|| records.releasing > 0) return false;",
      to: "|| records.releasing < 0) return false;",
    },
    {
      name: "a notifier that rests keeps the timer of an answered ping",
      from: "  wheel.tidy();\n",
      to: "",
    },
    {
      name: "a notifier that rests keeps the timer of a publication that was delivered",
      from: "  ledger.expiries.tidy();\n",
      to: "",
    },
  ]),
  ...inFile("engine/hub/restore-session", [
    {
      name: "the connect command of a restored session is lost in silence",
      from: "if (session.isGreeted && !session.isConnected) session.close(closes.reconnect);\n  else restore",
      to: "restore",
    },
    {
      name: "which subscriptions wait for room is not restored",
      from: '    subscription.waits = "room";\n    session.block(subscription);\n',
      to: "",
    },
    {
      name: "a channel stays open for a restored session that has closed",
      from: "    else channel.use()();\n",
      to: "    else void channel;\n",
    },
    {
      name: "after a stale state nobody asks for a pong",
      from: "    hub.turn.wakeSession(session);\n",
      to: "",
    },
    {
      name: "a host is not told that a pong is in doubt",
      from: "    session.note(true);\n",
      to: "",
    },
    {
      name: "a limit on names keeps a restored session out",
      from: "checkPeer(peer, Infinity);",
      to: "checkPeer(peer, hub.settings.limits.channel);",
    },
  ]),
  ...inFile("engine/hub/posts", [
    { name: "a secret works after the end of its session", from: "this.#orders.delete(secret);", to: "" },
    {
      name: "a post that names this node is sent to it all the same",
      from: " || node === nodes.id) return false;",
      to: ") return false;",
    },
    {
      name: "a secret is taken for right at another node",
      from: "return isMember && answer !== false;",
      to: "return isMember;",
    },
    {
      name: "a post for a node that is gone counts as taken",
      from: "return isMember && answer !== false;\n  }",
      to: "return answer !== false;\n  }",
    },
  ]),
  ...inFile("engine/nodes/nodes", [
    {
      name: "a node that was cut off while it joined does not look for what was revoked before",
      from: "if (!this.#hasLookedBack && ",
      to: "if (this.#read === undefined && ",
    },
  ]),
];
