import { Hono } from "hono";
import { describe, expect, onTestFinished, test } from "vitest";
import type { NotifierOptions } from "../../src/engine/core/settings.ts";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { emulation, type NotificationsOptions, notifications } from "../../src/hono.ts";
import { isOwn } from "../../src/hosts/origins.ts";
import { assertQuiet } from "../../src/testing.ts";
import { createTickets } from "../../src/tickets.ts";
import { entry, runtime } from "../support/runtime.ts";
import { tcp, upgrade } from "../support/tcp.ts";

interface Here {
  /** Returns the status and the headers of the response to an upgrade. */
  answer(path: string, ...headers: string[]): Promise<string>;
  /** Opens a connection that stays open. */
  open(path: string, ...headers: string[]): Promise<void>;
  port: number;
  app: Hono;
  notifier: ReturnType<typeof createNotifier>;
  errors: [stage: string, message: string][];
}

/** Starts a server whose upgrades are at `/ws`. */
async function served(
  options: NotificationsOptions = {},
  limits: NotifierOptions["limits"] = {},
): Promise<Here> {
  const errors: Here["errors"] = [];
  const notifier = createNotifier({
    grace: 1_000,
    limits,
    onError: (error, { stage }) => void errors.push([stage, (error as Error).message]),
  });
  const app = new Hono();
  app.get("/ws", entry.upgradeWebSocket(notifications(notifier, options)));
  const server = await entry.serve(app, { notifier, port: 0, grace: 1_000 });
  const peers: ReturnType<typeof tcp>[] = [];
  const dial = (request: string) => {
    const peer = tcp(server.port, request);
    peers.push(peer);
    return peer.until(/\r\n\r\n/);
  };
  onTestFinished(async () => {
    for (const peer of peers) peer.destroy();
    await server.close();
    assertQuiet(notifier);
  });
  return {
    port: server.port,
    app,
    notifier,
    errors,
    answer: async (path, ...headers) => (await dial(upgrade(path, headers))).slice("HTTP/1.1 ".length),
    async open(path, ...headers) {
      expect(await dial(upgrade(path, headers))).toMatch(/^HTTP\/1.1 101 /);
    },
  };
}

const statuses = async ({ answer }: Here, origins: readonly (string | undefined)[]): Promise<string[]> => {
  const answers = origins.map((origin) =>
    answer("/ws", ...(origin === undefined ? [] : [`Origin: ${origin}`])),
  );
  return (await Promise.all(answers)).map((head) => head.slice(0, 3));
};

/** Origins that look like `localhost`, and are not. */
const strangers = [
  "https://elsewhere.example",
  "null",
  "https://localhost.elsewhere.example",
  "https://elsewhere.example/localhost",
  "https://elsewhere-localhost",
  "https://localhost@elsewhere.example",
  "https://user@localhost",
  "https://localhost/",
  "https://localhost/path",
  "https://localhost:8443",
  "https://localhost.",
  "https://localhost https://elsewhere.example",
  "https://localhost, https://elsewhere.example",
  "https://l\u00f6calhost",
  "file://localhost",
  "chrome-extension://localhost",
  "ws://localhost",
  "localhost",
  "//localhost",
  "*",
];

describe(`the origin of an upgrade on ${runtime}`, () => {
  test("has to be the requested host, with any scheme, or missing", async () => {
    const here = await served();
    expect(await statuses(here, ["http://localhost", "https://LOCALHOST", undefined])).toEqual([
      "101",
      "101",
      "101",
    ]);
    const refused = await statuses(here, strangers);
    expect(refused).toEqual(strangers.map(() => "403"));
    expect(here.errors).toEqual([]);
  });

  test("has to be exactly one of a list, where there is one", async () => {
    const here = await served({ origins: ["https://app.example", "http://localhost:5173"] });
    const allowed = ["https://app.example", "http://localhost:5173", undefined];
    const refused = [
      "http://app.example",
      "https://app.example:444",
      "https://app.example.evil.example",
      "https://evil.example/https://app.example",
      "https://APP.example",
      "http://localhost",
      "null",
      "https://app.example\thttps://app.example",
    ];
    expect(await statuses(here, allowed)).toEqual(["101", "101", "101"]);
    expect(await statuses(here, refused)).toEqual(refused.map(() => "403"));
  });

  test("may be listed in any spelling, also a single one, and no other origin is accepted", async () => {
    const forms = [
      "https://app.example",
      ["https://app.example/"],
      ["https://App.Example"],
      "HTTPS://app.example:443/",
      [" https://app.example "],
    ];
    const strange = [
      "https://app.exampl",
      "https://app.example.evil.example",
      "http://app.example",
      "https://a",
    ];
    for (const origins of forms) {
      const here = await served({ origins });
      expect([origins, await statuses(here, ["https://app.example", ...strange])]).toEqual([
        origins,
        ["101", "403", "403", "403", "403"],
      ]);
    }
    const others = await served({ origins: ["capacitor://localhost/", "http://m\u00fcnchen.example:80"] });
    const sent = ["capacitor://localhost", "http://xn--mnchen-3ya.example", "http://localhost"];
    expect(await statuses(others, sent)).toEqual(["101", "101", "403"]);
    expect(await statuses(await served({ origins: [] }), ["http://localhost", undefined])).toEqual([
      "403",
      "101",
    ]);
  });

  test.each([
    ["*", 'Cannot use origin "*": give a function, () => true, to let the pages of every site connect'],
    [
      ["https://*.app.example"],
      'Cannot use origin "https://*.app.example": give a function that decides, since an entry is one origin',
    ],
    ["null", 'Cannot use origin "null": it is not of one site; give a function that decides'],
    ["", 'Cannot use origin "": write "https://example.com", a scheme and a host, without a path'],
    [
      ["app.example"],
      'Cannot use origin "app.example": write "https://app.example", a scheme and a host, without a path',
    ],
    [
      ["app.example:8443"],
      'Cannot use origin "app.example:8443": write "https://app.example:8443", a scheme and a host, without a path',
    ],
    [
      "https://app.example/path",
      'Cannot use origin "https://app.example/path": write "https://app.example", a scheme and a host, without a path',
    ],
    [
      "https://app.example?",
      'Cannot use origin "https://app.example?": write "https://app.example", a scheme and a host, without a path',
    ],
    [
      "https://me@app.example",
      'Cannot use origin "https://me@app.example": write "https://app.example", a scheme and a host, without a path',
    ],
    [
      "wss://app.example",
      'Cannot use origin "wss://app.example": write "https://app.example", a scheme and a host, without a path',
    ],
    [[7], 'Cannot use origin 7: give a text such as "https://example.com"'],
    [/app/, "Cannot use origins: give a text, a list of texts or a function, not /app/"],
  ])("is refused when it is listed as %o, which is not an origin, with what to write", (origins, message) => {
    const make = () => notifications(createNotifier(), { origins: origins as never });
    expect(make).toThrow(new TypeError(message));
  });

  test("is the host's own where a proxy adds the port of the page's scheme, and no other port", async () => {
    const here = await served();
    const answer = async (origin: string, host: string): Promise<string> => {
      const request = upgrade("/ws", [`Origin: ${origin}`]).replace("Host: localhost", `Host: ${host}`);
      const peer = tcp(here.port, request);
      onTestFinished(() => peer.destroy());
      return /^HTTP\/1.1 (\d+)/.exec(await peer.until(/\r\n\r\n/))?.[1] ?? "";
    };
    expect(await answer("https://app.example", "app.example:443")).toBe("101");
    expect(await answer("https://app.example", "App.Example:443")).toBe("101");
    expect(await answer("http://app.example", "app.example:80")).toBe("101");
    expect(await answer("https://app.example:8443", "app.example:8443")).toBe("101");
    for (const [origin, host] of [
      ["https://app.example", "app.example:80"],
      ["http://app.example", "app.example:443"],
      ["https://app.example", "app.example:8443"],
      ["https://app.example:8443", "app.example"],
      ["https://evil.example", "app.example:443"],
    ] as const)
      expect([host, await answer(origin, host)]).toEqual([host, "403"]);
  });

  test("is not the host's where the Host header holds more than a host", () => {
    const hosts = [
      "localhost@evil.example",
      "evil.example/",
      "evil.example#",
      "evil.example?x",
      "evil.example\\",
      "",
    ];
    expect(hosts.map((host) => isOwn("https://evil.example", host))).toEqual(hosts.map(() => false));
    expect([isOwn("https://evil.example", undefined), isOwn("https://evil.example", "evil.example")]).toEqual(
      [false, true],
    );
  });

  test("is the host's over HTTP/2, where only the URL has the host", async () => {
    const notifier = createNotifier();
    onTestFinished(() => notifier.close().then(() => {}));
    const app = new Hono().all("/emulation", emulation(notifier));
    const statusOf = async (origin: string) => {
      const init = { method: "OPTIONS", headers: { origin } };
      return (await app.request("https://app.example/emulation", init)).status;
    };
    expect(await statusOf("https://app.example")).toBe(204);
    expect(await statusOf("https://app.example:8443")).toBe(403);
    expect(await statusOf("https://other.example")).toBe(403);
  });

  test("is decided by a function, also where it is missing, and only true accepts it", async () => {
    const asked: string[] = [];
    const here = await served({
      origins(origin, c) {
        asked.push(`${origin} ${c.req.path}`);
        if (origin === "throws") throw new Error("thrown");
        if (origin === "rejects") return Promise.reject(new Error("rejected"));
        if (origin === "truthy") return "yes" as never;
        if (origin === "later") return Promise.resolve(true);
        return origin === "https://app.example";
      },
    });
    const outcome = async (origin?: string) => (await statuses(here, [origin]))[0];
    expect(await outcome("https://app.example")).toBe("101");
    expect(await outcome("later")).toBe("101");
    for (const origin of ["https://other.example", "truthy", "throws", "rejects", undefined]) {
      expect(await outcome(origin)).toBe("403");
    }
    expect(asked.at(-1)).toBe(" /ws");
    expect(here.errors).toEqual([
      ["origins", "thrown"],
      ["origins", "rejected"],
    ]);
  });

  test("is checked before any client is authenticated", async () => {
    let asked = 0;
    const here = await served({
      authenticate() {
        asked++;
        return null;
      },
    });
    expect(await statuses(here, ["null", "http://localhost"])).toEqual(["403", "401"]);
    expect(asked).toBe(1);
  });
});

describe(`an upgrade on ${runtime}`, () => {
  test("that would be one session too many is refused with 503 and Retry-After", async () => {
    const authenticate: NotificationsOptions["authenticate"] = (c) => ({ user: c.req.query("user") ?? "" });
    const here = await served({ authenticate }, { sessions: 3, userSessions: 2 });
    await here.open("/ws?user=ann");
    await here.open("/ws?user=ann");
    expect(await here.answer("/ws?user=ann")).toMatch(/^503 .*\r\nretry-after: 1\r\n/is);
    await here.open("/ws?user=bob");
    expect(await here.answer("/ws?user=cat")).toMatch(/^503 /);
    expect(here.notifier.totals()).toMatchObject({ opened: 3, limits: { userSessions: 1, sessions: 1 } });
  });

  test("whose authenticator fails responds without the reason, the path and the headers", async () => {
    const here = await served({
      authenticate() {
        throw new Error("connection to db.internal:5432 refused for admin:hunter2");
      },
    });
    const answer = await here.answer("/ws?token=t0ken", "Cookie: session=c00kie");
    expect(answer).toMatch(/^500 /);
    expect(answer).not.toMatch(/internal:|hunter2|t0ken|c00kie|\.ts|at /);
    expect(here.errors.map(([stage]) => stage)).toEqual(["authenticate"]);
  });

  test("that an app's own exception refuses has its response, for any copy of Hono", async () => {
    // The exception of another copy of Hono has the same members and another class.
    class HTTPException extends Error {
      status = 418;
      getResponse(): Response {
        return new Response("no", { status: 418, headers: { "X-Why": "tea" } });
      }
    }
    const throws = (how: (error: Error) => never | Promise<never>) =>
      served({ authenticate: () => how(new HTTPException()) });
    const thrown = await throws((error) => {
      throw error;
    });
    const rejected = await throws((error) => Promise.reject(error));
    for (const here of [thrown, rejected]) {
      expect(await here.answer("/ws")).toMatch(/^418 .*\r\nx-why: tea\r\n/is);
      expect(here.errors).toEqual([]);
      expect(here.notifier.totals().refused).toEqual({ 418: 1 });
    }
  });

  test("of an unknown client responds with how to authenticate, without a browser prompt", async () => {
    const here = await served({ authenticate: () => null });
    expect(await here.answer("/ws")).toMatch(/^401 .*\r\nwww-authenticate: Bearer\r\n/is);
  });

  test("with a ticket is accepted once", async () => {
    const tickets = createTickets();
    const here = await served({ authenticate: tickets.redeem });
    here.app.get("/ticket", async (c) => c.json({ ticket: await tickets.issue({ user: "ann" }) }));
    const issued = await here.app.fetch(new Request("http://localhost/ticket"));
    const { ticket } = (await issued.json()) as { ticket: string };
    expect(ticket).toMatch(/^[0-9a-f]{64}$/);
    await here.open(`/ws?ticket=${ticket}`);
    for (const path of [`/ws?ticket=${ticket}`, "/ws?ticket=", "/ws", `/ws?ticket=${"0".repeat(64)}`]) {
      expect(await here.answer(path)).toMatch(/^401 /);
    }
  });
});
