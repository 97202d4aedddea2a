import { inFile, type Mutation } from "../mutation.ts";

export const engineCommands: readonly Mutation[] = [
  ...inFile("engine/commands/acknowledge", [
    {
      name: "after a stale state a client may acknowledge what is in no log",
      from: "const mayBeSent = (session.flags & flag.stale) !== 0 && offset <= subscription.channel.top;",
      to: "const mayBeSent = (session.flags & flag.stale) !== 0;",
    },
    {
      name: "any client may acknowledge what it was not sent yet",
      from: "(session.flags & flag.stale) !== 0 && offset",
      to: "flag.stale > 0 && offset",
    },
    {
      name: "after a stale state an acknowledgement does not count",
      from: "return mayBeSent ? undefined : replies.badRequest;",
      to: "return mayBeSent ? replies.badRequest : replies.badRequest;",
    },
    {
      name: "what a client has of an earlier process is sent again",
      from: "  if (offset > subscription.cursor) subscription.cursor = offset;\n",
      to: "",
    },
    {
      name: "an acknowledgement is not kept",
      from: "  session.acknowledges = true;\n  session.note(false);\n",
      to: "  session.acknowledges = true;\n",
    },
    {
      name: "a resumption is checked against any number of the user's sessions",
      from: "if (hub.sessions.countOf(identity) > maxSessions) return;",
      to: "void maxSessions;",
    },
    {
      name: "a channel that is not a string is converted to one, which may throw",
      from: 'typeof channel === "string" ? session.subscriptions.get(channel) : undefined',
      to: "session.subscriptions.get(String(channel))",
    },
    { name: "a lower acknowledgement replaces a higher one", from: "if (offset <= before) return;", to: "" },
    {
      name: "a resumption counts for the session with the earliest start",
      from: "since > (than?.since ?? -1)",
      to: "since < (than?.since ?? Infinity)",
    },
    {
      name: "a client may acknowledge what it was never sent",
      from: "if (offset <= session.window.writtenOf(proof, cursor)) return undefined;",
      to: "if ([proof, cursor].length === 2) return undefined;",
    },
    {
      name: "a client may acknowledge a position of another epoch",
      from: "if (epoch !== subscription.channel.epoch) return replies.unrecoverable;",
      to: "void epoch;",
    },
    {
      name: "an unsubscribe before the end of its subscribe is ignored",
      from: "if (subscription !== undefined && session.queue.isQuitting(channel)) session.quit(subscription);",
      to: "void subscription;",
    },
  ]),
  ...inFile("engine/commands/commands", [
    {
      name: "a reply is sent although its channel was revoked in the meantime",
      from: "if (channels.some((name) => session.out.isWithheld(name))) {",
      to: "if (channels.length < 0) {",
    },
    {
      name: "commands above the rate limit are executed",
      from: 'if (isOver) throw new Refusal(replies.tooManyRequests, "rate");',
      to: "",
    },
    {
      name: "errors without a recipient are counted",
      from: "if (id === 0 || !session.isOpen) return;",
      to: "if (id === 0) return;",
    },
  ]),
  ...inFile("engine/commands/connect", [
    {
      name: "the identity is not checked at connect",
      from: "andThen(identify(call), () =>",
      to: "andThen(undefined, () =>",
    },
    {
      name: "a connect with an invalid token is not closed",
      from: "if (identity === null || !session.isOpen) return over(session, closes.invalidToken);",
      to: "if (identity === null) return;",
    },
    {
      name: "a session that ended during connect takes a place of its user",
      from: "if (identity === null || !session.isOpen)",
      to: "if (identity === null)",
    },
    {
      name: "an expired token closes the session instead of returning an error",
      from: "throw new Refusal(replies.tokenExpired);",
      to: "return over(session, closes.expired);",
    },
    {
      name: "the session limit of the user is not checked after the token",
      from: "if (!hub.gate.isFullOf(identity.user)) return session.become(identity);",
      to: "return session.become(identity);",
    },
  ]),
  ...inFile("engine/commands/permission", [
    {
      name: "any value except false grants the permission",
      from: "return allowed === true;",
      to: "return allowed !== false;",
    },
  ]),
  ...inFile("engine/commands/prepared-subscription", [
    {
      name: "the reply to a recovery has the offset of its end",
      from: "offset: recovery?.after ?? channel.top,",
      to: "offset: recovery?.cursor ?? channel.top,",
    },
    {
      name: "a cached reply is used for a subscriber with another missed notice",
      from: "known.present === present && known.notice === notice",
      to: "known.present === present",
    },
    {
      name: "a cached reply is used after the presence of the run has changed",
      from: "known.present === present && known.notice === notice",
      to: "known.notice === notice",
    },
    {
      name: "a failed subscribe keeps its channel in use",
      from: "andThen(channel.current(), read), release);",
      to: "andThen(channel.current(), read), () => {});",
    },
    {
      name: "a recovery does not count as an acknowledgement",
      from: "if (recovery !== undefined) resumed({ hub, session }, name, { epoch, offset: recovery.after });",
      to: "",
    },
    {
      name: "the number of channels has no limit",
      from: 'if (hub.isFullFor(name)) throw new Refusal(replies.limitExceeded, "channels");',
      to: "",
    },
  ]),
  ...inFile("engine/commands/presence", [
    {
      name: "the number of clients in a presence reply has no limit",
      from: "if ((subscriptions?.size ?? 0) > most)",
      to: "if (most < 0)",
    },
  ]),
  ...inFile("engine/commands/publish", [
    {
      name: "a publication by a client is not validated",
      from: "if (hub.events === undefined) return data;",
      to: 'if (hub.events === undefined || channel !== "") return data;',
    },
    {
      name: "a schema that fails for a client's publication is not reported",
      from: "if (validation.isFault) {",
      to: "if (false) {",
    },
  ]),
  ...inFile("engine/commands/refresh", [
    {
      name: "a refresh with an expired token returns an error instead of closing",
      from: "if (expires <= hub.clock.time()) return over(session, closes.expired);",
      to: "if (expires <= hub.clock.time()) throw new Refusal(replies.tokenExpired);",
    },
  ]),
];
