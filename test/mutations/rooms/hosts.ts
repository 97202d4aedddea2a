import { inFile, type Mutation } from "../mutation.ts";

export const hosts: readonly Mutation[] = [
  ...inFile("hosts/handlers", [
    {
      name: "a refused handshake keeps its place",
      from: "    peer?.abandon();\n    peer?.refused(",
      to: "    peer?.refused(",
    },
    {
      name: "a failed upgrade is not reported",
      from: "else if (peer !== undefined) peer.report(error, c.req.path);",
      to: "else if (peer !== undefined) return refuse(500, String(error));",
    },
    {
      name: "the end of a socket does not end its session",
      from: "this.#session?.ended(code === 0 ? 1006 : code);",
      to: "",
    },
    {
      name: "a session cannot terminate its socket",
      from: "(this.#ws.raw as RawSocket | undefined)?.terminate?.();",
      to: "",
    },
  ]),
  ...inFile("hosts/handshake", [
    {
      name: "a handshake without a valid key is left to the runtime",
      from: 'if (!/^[+/0-9A-Za-z]{22}==$/.test(c.req.header("sec-websocket-key") ?? ""))',
      to: 'if (c.req.header("sec-websocket-key") === "")',
    },
    {
      name: "a handshake with an unsupported version is left to the runtime",
      from: 'if (c.req.header("sec-websocket-version") === "13") return undefined;',
      to: "if (c.req.url !== undefined) return undefined;",
    },
    {
      name: "a request without the original env loses its handshake",
      from: "(c.env as Carrying | undefined)?.[carried] ?? (c.req.raw as Carrying)[carried]",
      to: "(c.env as Carrying | undefined)?.[carried]",
    },
    {
      name: "headers of the app replace those of the upgrade",
      from: "return [...headers].filter(([name]) => !ownHeaders.test(name));",
      to: "return [...headers];",
    },
    {
      name: "headers set before the upgrade are lost",
      from: "return c.body(null);",
      to: "return new Response(null);",
    },
  ]),
  ...inFile("hosts/host", [
    {
      name: "an upgrade on an unknown path is refused without a report",
      from: "if (isRefused && !handshake.isTold) refused(request.url, response.status, reasonOf(response));",
      to: "",
    },
    {
      name: "a refused upgrade is reported twice",
      from: "if (isRefused && !handshake.isTold)",
      to: "if (isRefused)",
    },
    {
      name: "responses in progress are cut at once",
      from: 'if (!deadline.aborted) await attempt(() => scope.waitFor("responses", deadline, opened.drained()));',
      to: "",
    },
    {
      name: "open connections are not cut at the deadline",
      from: "await attempt(() => opened.cut());",
      to: "",
    },
    {
      name: "a server has no deadline for closing",
      from: 'scope.timer("grace of the server", grace, expire);',
      to: "",
    },
    {
      name: "closing the notifier does not close its server",
      from: "for (const { closing } of notifiers) scope.link(closing, begin);",
      to: "",
    },
  ]),
  ...inFile("hosts/node", [
    {
      name: "a handshake with more headers than Node reads is accepted",
      from: "if (rawHeaders.length >= 2 * maxHeaders)",
      to: "if (rawHeaders.length < 0)",
    },
    {
      name: "an invalid Host header is an internal error",
      from: 'return { code: 400, reason: "the Host is none that a URL can have" };',
      to: "return undefined;",
    },
    {
      name: "idle connections are not closed when closing begins",
      from: "for (const [socket, count] of requests) if (count === 0) socket.destroy();",
      to: "",
    },
    {
      name: "requests in progress are not counted",
      from: "requests.set(socket, (requests.get(socket) ?? 0) + 1)",
      to: "requests.set(socket, requests.get(socket) ?? 0)",
    },
    {
      name: "WebSockets are not cut",
      from: "for (const socket of [...requests.keys(), ...webSockets]) socket.destroy();",
      to: "for (const socket of requests.keys()) socket.destroy();",
    },
    {
      name: "a peer that is still sending is reset by a refusal of the adapter",
      from: "() => endWithPeer(socket));",
      to: "() => {});",
    },
    { name: "a half-open peer keeps its connection after a refusal", from: "endWithUs(socket);", to: "" },
  ]),
  ...inFile("hosts/notifications", [
    {
      name: "a client of an unknown encoding is sent JSON",
      from: "if (encoding !== undefined) throw admission.refuse(c, 400, encoding);",
      to: "if (encoding === null) throw admission.refuse(c, 400, encoding);",
    },
  ]),
  ...inFile("hosts/admission", [
    {
      name: "a page is not of its own host over HTTP/2",
      from: 'c.req.header("host") ?? urlOf(c.req.url)?.host',
      to: 'c.req.header("host")',
    },
    {
      name: "an upgrade in progress is accepted after closing began",
      from: "looked up.\n    if (notifier.closing.aborted) throw this.refuse(c, 503, closing);",
      to: "looked up.",
    },
    {
      name: "the page's origin is not checked",
      from: "      if (isAllowed) return;\n",
      to: "      if (isAllowed !== undefined) return;\n",
    },
    {
      name: "any truthy result of an origins function allows a page",
      from: "(allowed) => allowed === true,",
      to: "Boolean,",
    },
    {
      name: "the session limit is not checked at the upgrade",
      from: 'if (typeof place === "string") throw',
      to: 'if (typeof place === "string") return { peer: identity, release() {} };\n    if (typeof place === "string") throw',
    },
    {
      name: "an HTTPException of another copy of Hono is an internal error",
      from: 'return error instanceof Error && typeof (error as { getResponse?: unknown }).getResponse === "function";',
      to: "return error instanceof HTTPException;",
    },
    {
      name: "refused handshakes are not reported",
      from: "this.#notifier.refused({ path: c.req.path, ...refused });",
      to: "",
    },
  ]),
  ...inFile("hosts/origins", [
    {
      name: "an Origin with the right host and any further content is accepted",
      from: "return page.origin === origin.toLowerCase() && page.host",
      to: "return page.host",
    },
    {
      name: "the default port in a forwarded Host does not match",
      from: "page.host === urlOf(",
      to: "page.host === ((_: string) => ({ host: host.toLowerCase() }))(",
    },
    {
      name: "a listed origin is compared without normalization",
      from: "if (url !== undefined) return url.origin;",
      to: "if (url !== undefined) return given;",
    },
    { name: "a Host header may contain more than a host", from: " || /[/?#@\\\\\\s]/.test(host)", to: "" },
  ]),
  ...inFile("hosts/upgrade", [
    {
      name: "upgrades that the adapter must handle fail",
      from: "const env = { ...this.#env, incoming: request };",
      to: "const env = { incoming: request };",
    },
    {
      name: "response headers of the app are missing in the upgrade",
      from: 'if (lines.length > 0) this.#webSockets.once("headers", add);',
      to: "",
    },
    {
      name: "a peer that is still sending is reset and does not read the close code",
      from: "endWithPeer(this.#tcp);",
      to: "",
    },
  ]),
];
