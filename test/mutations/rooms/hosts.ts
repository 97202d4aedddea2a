import { inFile, type Mutation } from "../mutation.ts";

export const hosts: readonly Mutation[] = [
  ...inFile("hosts/handlers", [
    {
      name: "a refused handshake keeps its place",
      from: "    peer?.abandon();\n    peer?.refused(",
      to: "    peer?.refused(",
    },
    {
      name: "an upgrade that cannot be is not reported",
      from: "else if (peer !== undefined) peer.report(error, c.req.path);",
      to: "else if (peer !== undefined) return refuse(500, String(error));",
    },
    {
      name: "the end of a socket does not end its session",
      from: "this.#session?.ended(code === 0 ? 1006 : code);",
      to: "",
    },
    {
      name: "a session cannot tear down its socket",
      from: "(this.#ws.raw as RawSocket | undefined)?.terminate?.();",
      to: "",
    },
  ]),
  ...inFile("hosts/handshake", [
    {
      name: "a handshake without its key is left to the runtime",
      from: 'if (!/^[+/0-9A-Za-z]{22}==$/.test(c.req.header("sec-websocket-key") ?? ""))',
      to: 'if (c.req.header("sec-websocket-key") === "")',
    },
    {
      name: "a handshake of any version is left to the runtime",
      from: 'if (c.req.header("sec-websocket-version") === "13") return undefined;',
      to: "if (c.req.url !== undefined) return undefined;",
    },
    {
      name: "a request whose env is not handed on has lost its handshake",
      from: "(c.env as Carrying | undefined)?.[carried] ?? (c.req.raw as Carrying)[carried]",
      to: "(c.env as Carrying | undefined)?.[carried]",
    },
    {
      name: "the app's headers take the place of those of the upgrade",
      from: "return [...headers].filter(([name]) => !ownHeaders.test(name));",
      to: "return [...headers];",
    },
    {
      name: "what was said before the upgrade is lost",
      from: "return c.body(null);",
      to: "return new Response(null);",
    },
  ]),
  ...inFile("hosts/host", [
    {
      name: "whoever is at no path of an app is refused without a word",
      from: "if (isRefused && !handshake.isTold) refused(request.url, response.status, reasonOf(response));",
      to: "",
    },
    {
      name: "what is refused is told twice",
      from: "if (isRefused && !handshake.isTold)",
      to: "if (isRefused)",
    },
    {
      name: "responses in flight are cut at once",
      from: 'if (!deadline.aborted) await attempt(() => scope.waitFor("responses", deadline, opened.drained()));',
      to: "",
    },
    { name: "what is left at the deadline is not cut", from: "await attempt(() => opened.cut());", to: "" },
    { name: "a server has no deadline", from: 'scope.timer("grace of the server", grace, expire);', to: "" },
    {
      name: "a server does not hear of its notifier's closing",
      from: "for (const { closing } of notifiers) scope.link(closing, begin);",
      to: "",
    },
  ]),
  ...inFile("hosts/node", [
    {
      name: "a handshake is read without the headers that Node left out",
      from: "if (rawHeaders.length >= 2 * maxHeaders)",
      to: "if (rawHeaders.length < 0)",
    },
    {
      name: "a host that no URL can have is the server's fault",
      from: 'return { code: 400, reason: "the Host is none that a URL can have" };',
      to: "return undefined;",
    },
    {
      name: "idle connections are not freed when closing begins",
      from: "for (const [socket, count] of requests) if (count === 0) socket.destroy();",
      to: "",
    },
    {
      name: "a request in flight counts as none",
      from: "requests.set(socket, (requests.get(socket) ?? 0) + 1)",
      to: "requests.set(socket, requests.get(socket) ?? 0)",
    },
    {
      name: "WebSockets are not cut",
      from: "for (const socket of [...requests.keys(), ...webSockets]) socket.destroy();",
      to: "for (const socket of requests.keys()) socket.destroy();",
    },
    {
      name: "who is still sending is reset where the adapter has let it in",
      from: "() => endWithPeer(socket));",
      to: "() => {});",
    },
    {
      name: "a peer that keeps its side open after a refusal holds its connection",
      from: "endWithUs(socket);",
      to: "",
    },
  ]),
  ...inFile("hosts/notifications", [
    {
      name: "an upgrade that was in flight when closing began is let in",
      from: "looked up.\n    if (notifier.closing.aborted) throw refuse(503, closing);",
      to: "looked up.",
    },
    {
      name: "any web page may connect",
      from: "if (!(allowing instanceof Promise ? await allowing : allowing))",
      to: "await allowing;\n    if (false)",
    },
    {
      name: "whatever a function of origins answers that is not false lets a page in",
      from: "(allowed) => allowed === true,",
      to: "Boolean,",
    },
    {
      name: "any number of sessions are upgraded",
      from: 'if (typeof place === "string") throw refuse(503, `limits.',
      to: 'if (typeof place === "string") return new PeerHandlers(notifier, identity, () => {});\n    if (typeof place === "string") throw refuse(503, `limits.',
    },
    {
      name: "an exception of another copy of Hono is an error of the authenticator",
      from: 'return error instanceof Error && typeof (error as { getResponse?: unknown }).getResponse === "function";',
      to: "return error instanceof HTTPException;",
    },
    {
      name: "nobody hears of a refused handshake",
      from: "notifier.refused({ path: c.req.path, ...refused });",
      to: "",
    },
  ]),
  ...inFile("hosts/origins", [
    {
      name: "an origin is anything with the host in it",
      from: "return page.origin === origin.toLowerCase() && page.host",
      to: "return page.host",
    },
    {
      name: "a proxy may not write the scheme's own port",
      from: "page.host === urlOf(",
      to: "page.host === ((_: string) => ({ host: host.toLowerCase() }))(",
    },
    {
      name: "an origin is listed as it was written",
      from: "if (url !== undefined) return url.origin;",
      to: "if (url !== undefined) return given;",
    },
    { name: "a Host may hold more than a host", from: " || /[/?#@\\\\\\s]/.test(host)", to: "" },
  ]),
  ...inFile("hosts/upgrade", [
    {
      name: "the adapter's own WebSockets are not let in",
      from: "const env = { ...this.#env, incoming: request };",
      to: "const env = { incoming: request };",
    },
    {
      name: "what the app says in the head of an upgrade is lost",
      from: 'if (lines.length > 0) this.#webSockets.once("headers", add);',
      to: "",
    },
    {
      name: "who is still sending is reset, and does not read why it was closed",
      from: "endWithPeer(this.#tcp);",
      to: "",
    },
  ]),
];
