import { inFile, type Mutation } from "../mutation.ts";

export const hostsStreams: readonly Mutation[] = [
  ...inFile("hosts/posting", [
    {
      name: "a server that closes takes no posts any more",
      from: '!(request.method === "POST" && this.#paths.has(pathOf(request.url)))',
      to: "true",
    },
    {
      name: "a server that closes takes every post",
      from: " && this.#paths.has(pathOf(request.url)))",
      to: ")",
    },
  ]),
  ...inFile("hosts/streams/byte-stream", [
    {
      name: "a stream ends before everything was taken",
      from: '    this.#controller.enqueue(bytes);\n    this.#phase = "ending";',
      to: '    this.#controller.enqueue(bytes);\n    this.#phase = "ending";\n    this.#pulled();',
    },
    {
      name: "a client that leaves does not end its stream",
      from: "cancel: () => this.#over(),",
      to: "cancel() {},",
    },
    {
      name: "a stream tells that everything was taken while something was not",
      from: "{ highWaterMark: 0 },",
      to: "{ highWaterMark: 1_000 },",
    },
    {
      name: "a stream that is cut stays open on Bun and Deno",
      from: "this.#controller.error();",
      to: "return;",
    },
    { name: "a stream that is cut stays open on Node", from: "else this.#parts.destroy();", to: "" },
  ]),
  ...inFile("hosts/streams/stream-socket", [
    { name: "the end of a stream does not end its session", from: "this.#session?.ended();", to: "" },
    { name: "a session cannot cut its stream", from: "this.#stream.cut();", to: "" },
  ]),
  ...inFile("hosts/streams/stream-response", [
    { name: "nginx buffers streams", from: '"X-Accel-Buffering": "no"', to: '"X-Other": "no"' },
    {
      name: "a line break in the data ends an event",
      from: 'data.replaceAll("\\n", "\\ndata: ")',
      to: "data",
    },
  ]),
  ...inFile("hosts/streams/body", [
    { name: "a body may have any size", from: "if (size > most) {", to: "if (size > Infinity) {" },
    { name: "bytes that are not UTF-8 are replaced", from: "{ fatal: true }", to: "{ fatal: false }" },
  ]),
  ...inFile("hosts/streams/cross-origin", [
    {
      name: "a page that is refused may read why",
      from: "origin === undefined || response.status === 403",
      to: "origin === undefined",
    },
    {
      name: "an allowed page of another site cannot read a response",
      from: 'headers.set("Access-Control-Allow-Origin", origin);',
      to: "",
    },
    {
      name: "a page of another site cannot read when it may come back",
      from: 'headers.set("Access-Control-Expose-Headers", "Retry-After");',
      to: "",
    },
    {
      name: "other methods are handled as well",
      from: "includes(c.req.method)) return handle(c);",
      to: "includes(c.req.method) || true) return handle(c);",
    },
  ]),
  ...inFile("hosts/streams/two-way", [
    {
      name: "a stream without a connect command opens",
      from: 'if (first.trim() === "") {',
      to: 'if (first === "\\n") {',
    },
    {
      name: "the code of a WebSocket is pushed for a message that is too big",
      from: "return code === closes.messageTooBig.code ?",
      to: "return code === 0 ?",
    },
    {
      name: "a refused stream keeps its place",
      from: "    } finally {\n      release();\n    }",
      to: "    } finally {\n    }",
    },
    {
      name: "all sessions have the same secret",
      from: "const secret = crypto.randomUUID().toLowerCase();",
      to: 'const secret = "0";',
    },
  ]),
  ...inFile("hosts/streams/emulation", [
    {
      name: "a post of any page is taken",
      from: "const checking = admission.checkOrigin(c);",
      to: "const checking: unknown = undefined;",
    },
    {
      name: "a post for nobody is answered as if it was taken",
      from: "if (await isTaken(c, post)) return",
      to: "if ((await isTaken(c, post)) || true) return",
    },
    {
      name: "a post without data is taken",
      from: 'if (typeof data !== "string") return "data is not a text";',
      to: "",
    },
  ]),
  ...inFile("hosts/streams/event-id", [
    {
      name: "an id of other channels is taken",
      from: "if (parts.length !== channels) return undefined;",
      to: "",
    },
    {
      name: "an epoch with a comma breaks the id",
      from: "encodeURIComponent(position.epoch)",
      to: "position.epoch",
    },
    {
      name: "an offset may be inexact",
      from: "!Number.isSafeInteger(Number(offset))",
      to: "false",
    },
  ]),
  ...inFile("hosts/streams/event-feed", [
    {
      name: "events count as read by a client that confirms",
      from: '\\n{"send":{"data":{"ack":{}}}}',
      to: "",
    },
    {
      name: "a gap is passed over",
      from: 'items.push({ type: "gap",',
      to: 'if (lost === 0) items.push({ type: "gap",',
    },
    {
      name: "what is left after a gap is passed over",
      from: "if (earliest.offset < offset) this.#again(place);",
      to: "",
    },
    {
      name: "a subscription that the server cannot keep ends the stream",
      from: "if (unsubscribe.code >= 2500) return this.#subscribe(place);",
      to: "",
    },
    {
      name: "a run's ending does not end its stream",
      from: "endings.includes(publication.data.type))",
      to: "endings.includes(publication))",
    },
    {
      name: "a run that had ended keeps its stream open",
      from: "(place.position?.offset ?? 0) >= offset) place.isOver = true;",
      to: "offset < 0) place.isOver = true;",
    },
    {
      name: "an EventSource comes back after a close for good",
      from: "isForGood(body.code) ? finalId(this.id, body.code) : this.id",
      to: "this.id",
    },
    {
      name: "an EventSource stays away after any close",
      from: "isForGood(body.code) ? finalId(this.id, body.code) : this.id",
      to: "finalId(this.id, body.code)",
    },
    {
      name: "a stream ends with the first of its runs",
      from: ".every(({ isOver }) => isOver);",
      to: ".some(({ isOver }) => isOver);",
    },
  ]),
  ...inFile("hosts/streams/event-sinks", [
    {
      name: "a ping is answered before its stream was taken",
      from: "    this.#isPinged = true;\n",
      to: "    this.#isPinged = true;\n    this.#answer();\n",
    },
    {
      name: "a ping is never answered",
      from: "    this.#isPinged = false;\n    this.#pong();",
      to: "    this.#isPinged = false;",
    },
    { name: "a long poll waits although something has come", from: "if (!this.isEmpty) wake();", to: "" },
  ]),
  ...inFile("hosts/streams/events", [
    {
      name: "events of a run begin with what comes next",
      from: "runOfChannel(channel) === undefined ? undefined : start",
      to: "undefined",
    },
    {
      name: "events subscribe to all channels of the identity",
      from: "channels?.filter((name) => names.has(name)) ?? []",
      to: "channels ?? []",
    },
    {
      name: "a client that has the whole run comes back for ever",
      from: "if (feed.isOver && !sink.hasEvents) {",
      to: "if (false) {",
    },
    {
      name: "a position in the URL goes before that of the last event",
      from: 'c.req.header("last-event-id") || c.req.query("after")',
      to: 'c.req.query("after") || c.req.header("last-event-id")',
    },
  ]),
];
