import { inFile, type Mutation } from "../mutation.ts";

export const engineHub: readonly Mutation[] = [
  ...inFile("engine/hub/close", [
    {
      name: "closing tells no run",
      from: 'for (const run of runs) run.cancelBy("shutdown", undefined, cause);',
      to: "",
    },
    {
      name: "runs may take more than half of the grace",
      from: 'hub.settled("runs to end", half,',
      to: 'hub.settled("runs to end", late,',
    },
    {
      name: "a run that ignores its signal is not given up",
      from: 'await hub.settled("runs to be given up", late, Promise.all(runs.map((run) => run.abandon())));',
      to: "",
    },
    {
      name: "closing does not wait for what is under way into the log",
      from: 'await hub.settled("publications under way", deadlines.late, hub.appends.idle());',
      to: "",
    },
    {
      name: "closing waits for peers known to be stuck",
      from: "new Map(Array.from(hub.sessions, (session) => [session, session.silence]))",
      to: "new Map<LiveSession, number>()",
    },
    {
      name: "who was stuck when closing began counts as stuck for ever",
      from: "if (Math.min(silences.get(session) ?? 0, session.silence) < hub.grace) return;",
      to: "if ((silences.get(session) ?? 0) < hub.grace) return;",
    },
    {
      name: "entries whose wake is still to come are not flushed",
      from: "for (const channel of hub.channels.values()) channel.refresh();",
      to: "",
    },
    { name: "closing leaves no time to acknowledge", from: "  hub.hearing = true;\n", to: "" },
    {
      name: "closing waits for acknowledgements as long as it can",
      from: "    hub.hearing = false;\n",
      to: "",
    },
    { name: "closing does not hear of sessions that end", from: "hub.onSessionEnd = check;", to: "" },
    {
      name: "the report ends channels where they were last looked at",
      from: "      (slice) => void known.set(name, slice.top),\n",
      to: "      () => {},\n",
    },
    {
      name: "closing waits for subscribers that read for as long as it may take",
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
      name: "following skips one between two reads",
      from: "position = { offset: entry.offset, epoch",
      to: "position = { offset: entry.offset + 1, epoch",
    },
    { name: "whoever follows misses a wake during a read", from: "if (woken) continue;", to: "" },
    { name: "whoever followed is woken for ever", from: "    unlisten();\n", to: "" },
    { name: "following never lets the channel go", from: "    release();\n", to: "" },
    {
      name: "whoever follows gets what was read ahead after the signal",
      from: "if (signal?.aborted) throw signal.reason;",
      to: "",
    },
    {
      name: "following goes on waiting though it was ended",
      from: "    following.isOver = true;\n    following.wake();\n",
      to: "    following.isOver = true;\n",
    },
  ]),
  ...inFile("engine/hub/gate", [
    {
      name: "sessions in all are not counted",
      from: "const isFull = sessions.size + this.#reserved.size >= settings.limits.sessions;",
      to: "const isFull = sessions.size < 0;",
    },
    {
      name: "handshakes under way are not counted",
      from: "sessions.size + this.#reserved.size >=",
      to: "sessions.size >=",
    },
    {
      name: "handshakes under way of a user are not counted",
      from: "sessions.countOf(user) + (this.#byUser.get(user) ?? 0) >=",
      to: "sessions.countOf(user) >=",
    },
    {
      name: "a handshake that nobody ends holds its place for ever",
      from: "if (clock.now() - reservation.since < settings.limits.connect) return;",
      to: "if (clock.now() >= reservation.since) return;",
    },
    {
      name: "a session that was never connected is refused without a word",
      from: "if (wasFresh && refusals.includes(why)) this.refused(why);",
      to: "",
    },
  ]),
  ...inFile("engine/hub/hub", [
    {
      name: "the owner of an error may forge a line of the log",
      from: "{ stage, owner: printable(owner) }",
      to: "{ stage, owner }",
    },
    {
      name: "a closed log leaves its sessions where they are",
      from: "for (const session of [...this.sessions]) session.close(closes.internal);",
      to: "",
    },
  ]),
  ...inFile("engine/hub/revocation", [
    {
      name: "whoever is disconnected gets what was queued",
      from: "if (matches) session.revoke(",
      to: "if (matches) session.close(",
    },
    {
      name: "what a reply holds of a channel is sent after it was taken from the peer",
      from: "if (!session.out.withhold(channel, codec)) return session.revoke(closes.reconnect);",
      to: "session.out.withhold(channel, codec);",
    },
    {
      name: "what is queued of a channel is sent after it was taken from the peer",
      from: "if (!session.out.withhold(channel, codec)) return session.revoke(closes.reconnect);",
      to: "",
    },
    {
      name: "what was granted stays granted after it was taken away",
      from: "peer.channels.filter((name) => name !== channel)",
      to: "peer.channels",
    },
  ]),
];
