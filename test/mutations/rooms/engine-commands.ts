import { inFile, type Mutation } from "../mutation.ts";

export const engineCommands: readonly Mutation[] = [
  ...inFile("engine/commands/acknowledge", [
    {
      name: "who comes back is compared with any number of a user's sessions",
      from: "if (hub.sessions.countOf(identity) > maxSessions) return;",
      to: "void maxSessions;",
    },
    {
      name: "a channel that is no text is asked for its text, which may throw",
      from: 'typeof channel === "string" ? session.subscriptions.get(channel) : undefined',
      to: "session.subscriptions.get(String(channel))",
    },
    {
      name: "a client that acknowledges less than before takes back its word",
      from: "if (offset <= before) return;",
      to: "",
    },
    {
      name: "whoever comes back speaks for the longest stretch it may have come from",
      from: "since > (than?.since ?? -1)",
      to: "since < (than?.since ?? Infinity)",
    },
    {
      name: "a client acknowledges what it was never sent",
      from: "return offset > session.window.writtenOf(proof, cursor) ? replies.badRequest : undefined;",
      to: "return [proof, cursor].length > 2 ? replies.badRequest : undefined;",
    },
    {
      name: "a client acknowledges what is of another epoch",
      from: "if (epoch !== subscription.channel.epoch) return replies.unrecoverable;",
      to: "void epoch;",
    },
    {
      name: "an unsubscribe ahead of its subscription is forgotten",
      from: "if (subscription !== undefined && session.queue.isQuitting(channel)) session.quit(subscription);",
      to: "void subscription;",
    },
  ]),
  ...inFile("engine/commands/commands", [
    {
      name: "the first frame is as short as it happens to be",
      from: "text + spaces.slice(text.length)",
      to: "text",
    },
    {
      name: "a command that was allowed is answered after its channel was taken away",
      from: "if (channels.some((name) => session.out.isWithheld(name))) {",
      to: "if (channels.length < 0) {",
    },
    {
      name: "commands over the rate are answered",
      from: 'if (isOver) throw new Refusal(replies.tooManyRequests, "rate");',
      to: "",
    },
    {
      name: "answers that nobody gets are errors",
      from: "if (id === 0 || !session.isOpen) return;",
      to: "if (id === 0) return;",
    },
  ]),
  ...inFile("engine/commands/connect", [
    {
      name: "nobody is asked who connects",
      from: "andThen(identify(call), () =>",
      to: "andThen(undefined, () =>",
    },
    {
      name: "a token that is invalid connects",
      from: "if (identity === null || !session.isOpen) return over(session, closes.invalidToken);",
      to: "if (identity === null) return;",
    },
    {
      name: "a session that has ended takes the room of who it would have been",
      from: "if (identity === null || !session.isOpen)",
      to: "if (identity === null)",
    },
    {
      name: "a token that has expired closes before its error is told",
      from: "throw new Refusal(replies.tokenExpired);",
      to: "return over(session, closes.expired);",
    },
    {
      name: "a token is as good as room for its user",
      from: "if (!hub.gate.isFullOf(identity.user)) return session.become(identity);",
      to: "return session.become(identity);",
    },
  ]),
  ...inFile("engine/commands/permission", [
    {
      name: "whatever is not false is a permission",
      from: "return allowed === true;",
      to: "return allowed !== false;",
    },
  ]),
  ...inFile("engine/commands/prepared-subscription", [
    {
      name: "a recovery answers the offset it ends at",
      from: "offset: recovery?.after ?? channel.top,",
      to: "offset: recovery?.cursor ?? channel.top,",
    },
    {
      name: "who comes back after another is told what that one was told",
      from: "known.present === present && known.notice === notice",
      to: "known.present === present",
    },
    {
      name: "who comes back after another is told how the run stood then",
      from: "known.present === present && known.notice === notice",
      to: "known.notice === notice",
    },
    {
      name: "a subscribe that failed holds its channel",
      from: "andThen(channel.current(), read), release);",
      to: "andThen(channel.current(), read), () => {});",
    },
    {
      name: "coming back says nothing of what was received",
      from: "if (recovery !== undefined) resumed({ hub, session }, name, { epoch, offset: recovery.after });",
      to: "",
    },
    {
      name: "any number of channels are opened",
      from: 'if (hub.isFullFor(name)) throw new Refusal(replies.limitExceeded, "channels");',
      to: "",
    },
  ]),
  ...inFile("engine/commands/presence", [
    {
      name: "a presence reply takes as many clients as there are",
      from: "if ((subscriptions?.size ?? 0) > settings.limits.presence)",
      to: "if (settings.limits.presence < 0)",
    },
  ]),
  ...inFile("engine/commands/publish", [
    {
      name: "a client publishes past the schemas",
      from: "if (hub.events === undefined) return data;",
      to: "return data;",
    },
    {
      name: "nobody hears of a schema at fault when it is a client that publishes",
      from: "if (validation.isFault) {",
      to: "if (false) {",
    },
  ]),
  ...inFile("engine/commands/refresh", [
    {
      name: "a refresh with a token that has expired is an error, at which clients give up",
      from: "if (expires <= hub.clock.time()) return over(session, closes.expired);",
      to: "if (expires <= hub.clock.time()) throw new Refusal(replies.tokenExpired);",
    },
  ]),
];
