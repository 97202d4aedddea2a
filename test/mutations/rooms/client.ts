import { inFile, type Mutation } from "../mutation.ts";

export const client: readonly Mutation[] = [
  ...inFile("client/awake", [
    {
      name: "a closed client still hears the browser",
      from: "page.addEventListener?.(name, check, { signal });",
      to: "page.addEventListener?.(name, check, { signal: new AbortController().signal });",
    },
    {
      name: "a tab that nobody looks at dials at once",
      from: "if (!document?.hidden) wake();",
      to: "wake();",
    },
  ]),
  ...inFile("client/feed", [
    {
      name: "a reader is done with what it has not asked past",
      from: "        if (!isOver) yield publication;\n        reader.unread.shift();",
      to: '        reader.unread.shift();\n        link.time("ack", interval, acknowledge);\n        if (!isOver) yield publication;',
    },
    {
      name: "a publication that does not follow the last one is taken all the same",
      from: "const isNext = !last.offset || last.offset === offset - 1;",
      to: "const isNext = last.offset < offset;",
    },
    {
      name: "a reader takes more than fits",
      from: "if (last.epoch !== epoch || !isNext || reader.size > bound) continue;",
      to: "if (last.epoch !== epoch || !isNext) continue;",
    },
    {
      name: "a reader that was full once takes nothing any more",
      from: "          reader.size = 0;\n",
      to: "",
    },
    {
      name: "a subscription that nobody takes anything of goes on",
      from: "else if (behind.length === readers.size) quit(subscription);",
      to: "else if (!readers.size) quit(subscription);",
    },
    {
      name: "the last reader leaves, and the channel is still subscribed",
      from: "(behind.length === readers.size)",
      to: "(readers.size > 0 && behind.length === readers.size)",
    },
    {
      name: "what the slowest reader is not done with is acknowledged",
      from: "offset = Math.min(offset, unread[0]",
      to: "offset = Math.max(offset, unread[0]",
    },
    {
      name: "the last words are not said before a channel is left",
      from: "      acknowledge();\n      if (subscription.readers.delete",
      to: "      if (subscription.readers.delete",
    },
    {
      name: "the last words are not said before a channel that is too fast is left",
      from: '    acknowledge();\n    link.command("unsubscribe"',
      to: '    link.command("unsubscribe"',
    },
    {
      name: "the reader furthest behind is not the one that is asked for",
      from: "one.at.offset - other.at.offset",
      to: "other.at.offset - one.at.offset",
    },
    {
      name: "a channel that the server subscribes to is not followed from there",
      from: "      if (result) grant(subscription, result, size);\n      else renew(subscription);",
      to: "      renew(subscription);",
    },
    {
      name: "a channel that the server subscribes to is left with its last reader",
      from: "if (subscription.granted) return;",
      to: "",
    },
    {
      name: "what was pushed while nobody read is acknowledged with what comes after",
      from: "if (at.offset > ack) subscribe(subscription, live);",
      to: "",
    },
    {
      name: "what nobody reads is acknowledged",
      from: "let offset = readers.size && at.offset;",
      to: "let offset = at.offset;",
    },
    {
      name: "whoever begins elsewhere in what the server subscribes to gets what comes from now on",
      from: "if (isElsewhere) quit(subscription);",
      to: "if (isElsewhere) for (const reader of readers) reader.at = at;",
    },
    {
      name: "a client that comes back does not say where it was in what the server subscribes to",
      from: "if (first !== live) entries.push",
      to: "if (!first) entries.push",
    },
    {
      name: "acknowledgements are one message, however many channels they are for",
      from: "      if (acks.length > frame) break;\n",
      to: "",
    },
    {
      name: "a subscription that failed is forgotten when its reader leaves, and ends another",
      from: '      subscription.state = "waiting";\n      link.retry(',
      to: "      link.retry(",
    },
    {
      name: "a gap is not told",
      from: "if (recovered || after === live) reader.at = at;",
      to: "if (epoch) reader.at = at;",
    },
    {
      name: "a gap begins at the top",
      from: "offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0)",
      to: "offset",
    },
    { name: "a subscription that is ended with 2500 is over", from: "code >= 2500", to: "code >= 3000" },
  ]),
  ...inFile("client/input", [
    {
      name: "a value that JSON changes is sent",
      from: "JSON.stringify(value, replacer)",
      to: "JSON.stringify(value)",
    },
    { name: "a position of no whole number is sent", from: "Number.isSafeInteger(offset) && ", to: "" },
  ]),
  ...inFile("client/link", [
    {
      name: "every code is one to come back after",
      from: "mayReturn = !/^[34][5-9]..$/.exec(",
      to: "mayReturn = true || !/^[34][5-9]..$/.exec(",
    },
    {
      name: "a call whose outcome nobody knows is sent again",
      from: "else if (size > 0 || !again || text.length > frame)",
      to: "else if (size > 0 || text.length > frame)",
    },
    {
      name: "what could be asked again fails with its connection",
      from: "else if (size > 0 || !again || text.length > frame)",
      to: "else",
    },
    {
      name: "the tab that is looked at ends a connection that is busy",
      from: 'if (status !== "connected" || answers.size) return;',
      to: 'if (status !== "connected") return;',
    },
    {
      name: "a call that is too long for the server is sent again for ever",
      from: "!again || text.length > frame",
      to: "!again",
    },
    {
      name: "a socket is made of what came after it was given up",
      from: "      signal.throwIfAborted();\n",
      to: "",
    },
    {
      name: "commands are sent before the server knows who asks",
      from: "    if (!isAdmitted) return;\n",
      to: "",
    },
    {
      name: "any connection counts as a good one",
      from: 'time("connected", patience, () => {\n      failures = 0;\n    });',
      to: "failures = 0;",
    },
    {
      name: "a delay may be nothing",
      from: "minDelay + 100 + clock.random()",
      to: "minDelay + clock.random()",
    },
    {
      name: "a server that asks for time gets none",
      from: 'retry("connect", failures++, dial, +seconds * 1000);',
      to: 'retry("connect", failures++, dial);',
    },
    { name: "an expired token is sent again", from: "(code === 3005 || code === 109)", to: "code === 109" },
    {
      name: "what was timed goes on when the status has changed",
      from: "    stop();\n    status = next;",
      to: "    status = next;",
    },
    {
      name: "what is acknowledged is not said before closing",
      from: "    feed.ack();\n    const last = drop(reason);",
      to: "    const last = drop(reason);",
    },
    {
      name: "a dead link is never noticed",
      from: 'time("ping", ms, () => lost(3012, "no answer"));',
      to: 'time("ping", ms, () => {});',
    },
    {
      name: "a close waits for a socket that never opened",
      from: "const last = socket;",
      to: "const last = dialled;",
    },
    {
      name: "a client that is closed by who hears that it is lost dials again",
      from: "if (closed || timers.has(name)) return;",
      to: "if (timers.has(name)) return;",
    },
    {
      name: "a client that is closed by who hears that it is closed says so for ever",
      from: "    if (status === next) return;\n",
      to: "",
    },
  ]),
  ...inFile("client/run", [
    { name: "a run's ending is yielded like any other event", from: "return !!ended;", to: "return false;" },
    {
      name: "whoever has had a run's ending waits for more",
      from: "epoch === after.epoch && offset <= after.offset",
      to: "offset < after.offset",
    },
    {
      name: "the result of a run that has ended is waited for for ever",
      from: "offset: ending ? offset - 1 : offset",
      to: "offset",
    },
  ]),
  ...inFile("client/waiting", [
    {
      name: "a client that has closed goes on waiting",
      from: "for (const each of [signal, over])",
      to: "for (const each of [signal])",
    },
    { name: "a wait that is over still listens", from: "      for (const end of undo) end();\n", to: "" },
  ]),
];
