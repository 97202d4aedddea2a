import { inFile, type Mutation } from "../mutation.ts";

export const client: readonly Mutation[] = [
  ...inFile("client/awake", [
    {
      name: "a closed client keeps its listeners for browser events",
      from: "page.addEventListener?.(name, check, { signal });",
      to: "page.addEventListener?.(name, check, { signal: new AbortController().signal });",
    },
    { name: "a hidden tab reconnects at once", from: "if (!document?.hidden) wake();", to: "wake();" },
  ]),
  ...inFile("client/feed", [
    {
      name: "a publication counts as handled before the reader asks for the next one",
      from: "        if (!isOver) yield publication;\n        reader.unread.shift();",
      to: '        reader.unread.shift();\n        link.time("ack", interval, acknowledge);\n        if (!isOver) yield publication;',
    },
    {
      name: "a publication after a gap in the offsets is delivered",
      from: "const isNext = !last.offset || last.offset === offset - 1;",
      to: "const isNext = last.offset < offset;",
    },
    {
      name: "a reader buffers more than its limit",
      from: "if (last.epoch !== epoch || !isNext || reader.size > bound) continue;",
      to: "if (last.epoch !== epoch || !isNext) continue;",
    },
    {
      name: "a reader that was full once gets no more publications",
      from: "          reader.size = 0;\n",
      to: "",
    },
    {
      name: "a subscription continues although all readers are full",
      from: "else if (behind.length === readers.size) quit(subscription);",
      to: "else if (!readers.size) quit(subscription);",
    },
    {
      name: "the channel stays subscribed after its last reader has left",
      from: "(behind.length === readers.size)",
      to: "(readers.size > 0 && behind.length === readers.size)",
    },
    {
      name: "the acknowledgement does not wait for the slowest reader",
      from: "offset = Math.min(offset, unread[0]",
      to: "offset = Math.max(offset, unread[0]",
    },
    {
      name: "nothing is acknowledged before an unsubscribe by the last reader",
      from: "      acknowledge();\n      if (readers.delete",
      to: "      if (readers.delete",
    },
    {
      name: "nothing is acknowledged before the unsubscribe from a channel that is too fast",
      from: '    acknowledge();\n    link.command("unsubscribe"',
      to: '    link.command("unsubscribe"',
    },
    {
      name: "a subscription is recovered from the position of the foremost reader",
      from: "one.at.offset - other.at.offset",
      to: "other.at.offset - one.at.offset",
    },
    {
      name: "a server-side subscription does not start at the position in the connect reply",
      from: "      if (result) grant(subscription, result, size);\n      else renew(subscription);",
      to: "      renew(subscription);",
    },
    {
      name: "a server-side subscription is unsubscribed when its last reader leaves",
      from: "if (subscription.granted) return;",
      to: "",
    },
    {
      name: "a publication received without a reader is acknowledged with the next one",
      from: "if (at.offset > ack) subscribe(subscription, live);",
      to: "",
    },
    {
      name: "publications without a reader are acknowledged",
      from: "let offset = readers.size && at.offset;",
      to: "let offset = at.offset;",
    },
    {
      name: "a reader of a server-side subscription with another position starts at the present one",
      from: "if (isElsewhere) quit(subscription);",
      to: "if (isElsewhere) for (const reader of readers) reader.at = at;",
    },
    {
      name: "a reconnect does not send the positions of server-side subscriptions",
      from: "if (first !== live) entries.push",
      to: "if (!first) entries.push",
    },
    {
      name: "all acknowledgements are sent in one message of any size",
      from: "      if (acks.length > frame) break;\n",
      to: "",
    },
    {
      name: "a failed subscription has no state until it is retried",
      from: '      subscription.state = "waiting";\n      link.retry(',
      to: "      link.retry(",
    },
    {
      name: "a gap is not reported to the reader",
      from: "if (recovered || after === live) reader.at = at;",
      to: "if (epoch) reader.at = at;",
    },
    {
      name: "a gap is reported to end at the top",
      from: "offset: data?.earliest ?? offset - (data?.notice?.kept ?? 0)",
      to: "offset",
    },
    { name: "a subscription ended with 2500 is not renewed", from: "code >= 2500", to: "code >= 3000" },
  ]),
  ...inFile("client/http", [
    {
      name: "a page does not learn that its origin may not be listed",
      from: "!origin || new URL(url).origin === origin",
      to: "true",
    },
    {
      name: "messages over HTTP are sent at the same time",
      from: "    if (this.#isSending) return;\n",
      to: "",
    },
    {
      name: "each message over HTTP is a request of its own",
      from: "while (unsent[0] && text.length + unsent[0].length < frame)",
      to: "while (unsent[0] && text.length < 0)",
    },
    {
      name: "all messages over HTTP go in one request of any size",
      from: "while (unsent[0] && text.length + unsent[0].length < frame)",
      to: "while (unsent[0])",
    },
    {
      name: "characters that are cut apart by chunks are replaced",
      from: "decoder.decode(value, { stream: true })",
      to: "decoder.decode(value)",
    },
    {
      name: "a line that is longer than a chunk loses its beginning",
      from: "rest = end ? text.slice(end) : rest + text;",
      to: "rest = text.slice(end);",
    },
    {
      name: "the last acknowledgement over HTTP is not sent when closing",
      from: "    if (this.#connected) this.#flush();\n    else this.#end(1000);\n",
      to: "    this.#end(1000);\n",
    },
    {
      name: "a socket over HTTP that is closed keeps its stream",
      from: "      if (this.#isClosing) this.#end(1000);\n",
      to: "",
    },
    {
      name: "the code with which a stream ends is lost",
      from: "last.includes('\"disconnect\":')",
      to: "last.includes('\"disconnected\":')",
    },
    {
      name: "a message that is too long over HTTP closes the client for good",
      from: 'reason === "message too big" ? 1009 : code',
      to: "code",
    },
    {
      name: "the delay that a refusal over HTTP asks for is ignored",
      from: "if (delay) this.#failure +=",
      to: "if (delay < 0) this.#failure +=",
    },
    {
      name: "a request that is refused is taken for one that succeeded",
      from: "if (ok) return response;",
      to: "if (ok || status) return response;",
    },
    {
      name: "a message that is refused hides why its session is over",
      from: "      if (isFirst) end();\n",
      to: "      if (isFirst || error) end();\n",
    },
    {
      name: "a message that is refused leaves its session without an end",
      from: "this.#failing = systemTiming.timer(patience, end);",
      to: "this.#failing = undefined;",
    },
    {
      name: "a closed socket over HTTP keeps a timer",
      from: "    this.#failing?.cancel();\n",
      to: "",
    },
    {
      name: "a stream that ends is not noticed",
      from: "if (done) return this.#end(1006);",
      to: "if (done) return;",
    },
    {
      name: "the path of an address with a query is wrong",
      from: "/\\/?(?=\\?|$)/",
      to: "/$/",
    },
  ]),
  ...inFile("client/input", [
    {
      name: "a value that JSON would change is sent",
      from: "JSON.stringify(value, replacer)",
      to: "JSON.stringify(value)",
    },
    { name: "a position with a fractional offset is sent", from: "Number.isSafeInteger(offset) && ", to: "" },
  ]),
  ...inFile("client/link", [
    {
      name: "the client reconnects after every close code",
      from: "mayReturn = !/^[34][5-9]..$/.exec(",
      to: "mayReturn = true || !/^[34][5-9]..$/.exec(",
    },
    {
      name: "a call with an unknown outcome is sent again",
      from: "else if (size > 0 || !again || text.length > frame)",
      to: "else if (size > 0 || text.length > frame)",
    },
    {
      name: "a repeatable call fails with its connection",
      from: "else if (size > 0 || !again || text.length > frame)",
      to: "else",
    },
    {
      name: "a visible tab replaces a connection that waits for replies",
      from: 'if (status === "connected" && !answers.size) test(pingTimeout);',
      to: 'if (status === "connected") test(pingTimeout);',
    },
    {
      name: "a repeatable call that is too long is sent again for ever",
      from: "!again || text.length > frame",
      to: "!again",
    },
    {
      name: "a socket is created although dialling was aborted",
      from: "      signal.throwIfAborted();\n",
      to: "",
    },
    {
      name: "commands are sent before the connect reply",
      from: '    if (!isAdmitted && name !== "connect") return;\n',
      to: "",
    },
    {
      name: "a connection resets the back-off before it has proved stable",
      from: 'time("connected", patience, () => {\n      failures = 0;\n    });',
      to: "failures = 0;",
    },
    {
      name: "the delay before a reconnect may be zero",
      from: "minDelay + 100 + clock.random()",
      to: "minDelay + clock.random()",
    },
    {
      name: "the delay requested by the server is ignored",
      from: 'retry("connect", failures++, dial, +seconds * 1000);',
      to: 'retry("connect", failures++, dial);',
    },
    {
      name: "an expired token is sent again after close code 3005",
      from: "(code === 3005 || code === 109)",
      to: "code === 109",
    },
    {
      name: "timers of the old status stay set after a change of status",
      from: "    stop();\n    status = next;",
      to: "    status = next;",
    },
    {
      name: "nothing is acknowledged before the client closes",
      from: "    feed.ack();\n    const last = drop(reason);",
      to: "    const last = drop(reason);",
    },
    {
      name: "missing pings are never noticed",
      from: 'time("silence", ms, () => lost(3012, "no answer"));',
      to: 'time("silence", ms, () => {});',
    },
    {
      name: "a client without pings of its server sends none itself",
      from: 'else time("ping", pingInterval, () => test(patience));',
      to: "",
    },
    {
      name: "a ping of the client that is not answered is never noticed",
      from: "    write(ping);\n    listen(ms);\n",
      to: "    write(ping);\n",
    },
    {
      name: "the client's pings do not have the text that a host answers",
      from: 'const ping = \'{"id":4294967295,"ping":{}}\';',
      to: 'const ping = \'{"id":4294967294,"ping":{}}\';',
    },
    {
      name: "a client sends pings of its own although its server does",
      from: "period = seconds ? seconds * 1000 + patience : 0;",
      to: "period = 0;",
    },
    {
      name: "an answer to a ping does not end the wait for it",
      from: '    stop("silence");\n    if (ms) time',
      to: '    if (ms) stop("silence");\n    if (ms) time',
    },
    {
      name: "the server is not told which client connects",
      from: 'jsonOf("connect", { name: "tocsin", data })',
      to: 'jsonOf("connect", { data })',
    },
    {
      name: "closing waits for a socket that never opened",
      from: "const last = socket;",
      to: "const last = dialled;",
    },
    {
      name: "a client closed in its status callback for a lost connection reconnects",
      from: "if (closed || timers.has(name)) return;",
      to: "if (timers.has(name)) return;",
    },
    {
      name: "a client closed in its status callback calls the callback for ever",
      from: "    if (status === next) return;\n",
      to: "",
    },
  ]),
  ...inFile("client/link", [
    {
      name: "a socket that does not open has as long as if there were no other class",
      from: "listen(nextWay() === best ? patience : openTimeout);",
      to: "listen(nextWay() < 0 ? openTimeout : patience);",
    },
    {
      name: "the last class has no longer to open than the others",
      from: "listen(nextWay() === best ? patience : openTimeout);",
      to: "listen(classes[1] ? openTimeout : patience);",
    },
    {
      name: "a socket that has opened must be answered as soon as it must open",
      from: "    socket = dialled;\n    listen(patience);\n",
      to: "    socket = dialled;\n",
    },
    {
      name: "the next class is tried after a back-off",
      from: 'if (next !== best) time("connect", +seconds * 1000, dial);\n    else retry',
      to: "retry",
    },
    {
      name: "classes are tried for ever without a back-off",
      from: "if (next !== best) time",
      to: "if (next !== best || classes[1]) time",
    },
    { name: "a class that worked is not remembered", from: "    best = way;\n", to: "" },
    {
      name: "a client never returns to the first class",
      from: "        best = 0;\n",
      to: "",
    },
    {
      name: "a client returns to the first class at its next connection",
      from: "const preference = 300_000;",
      to: "const preference = 1;",
    },
    {
      name: "a class whose server answers with an error counts as failed",
      from: "    isTrying = false;\n    try",
      to: "    try",
    },
    {
      name: "a class counts as failed that has no address",
      from: "      isTrying = true;\n",
      to: "",
    },
    {
      name: "a closed client keeps the timer of its preference",
      from: "    forget?.cancel();\n",
      to: "",
    },
    {
      name: "the status does not say by which way",
      from: "onStatus?.(next, why, way)",
      to: "onStatus?.(next, why, best)",
    },
  ]),
  ...inFile("client/run", [
    {
      name: "a client does not say that a run was lost",
      from: "cause: Object.assign(new Error(), end.error), reason: end.reason }",
      to: "cause: Object.assign(new Error(), end.error) }",
    },
    { name: "the ending of a run is yielded as an event", from: "return !!ended;", to: "return false;" },
    {
      name: "a reader at the ending of a run waits for further events",
      from: "epoch === after.epoch && offset <= after.offset",
      to: "offset < after.offset",
    },
    {
      name: "a result requested after the ending never resolves",
      from: "offset: ending ? offset - 1 : offset",
      to: "offset",
    },
  ]),
  ...inFile("client/waiting", [
    {
      name: "closing the client does not end its waits",
      from: "for (const each of [signal, over])",
      to: "for (const each of [signal])",
    },
    { name: "a finished wait keeps its listeners", from: "      for (const end of undo) end();\n", to: "" },
  ]),
];
