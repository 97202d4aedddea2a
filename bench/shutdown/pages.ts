import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";

/** The part of a program that does not depend on its library: the HTTP pages and the handling of SIGTERM. */
export interface Program {
  readonly server: Server;
  /** Starts to listen. Calls `shutdown` on SIGTERM. */
  start(shutdown: () => Promise<unknown>): void;
}

/** Creates the HTTP server of a program. `publish` sends to every client that follows the topic. */
export function createProgram(publish: (topic: string, data: object) => void): Program {
  const published: Record<string, number> = {};
  let steady: NodeJS.Timeout | undefined;
  const make = (topic: string, text: string): void => {
    const number = (published[topic] ?? 0) + 1;
    published[topic] = number;
    publish(topic, { topic, number, text });
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/publish") {
      const text = "x".repeat(Number(searchParams.get("size")));
      const count = Number(searchParams.get("count"));
      for (let made = 0; made < count; made++) make(searchParams.get("topic") ?? "", text);
    } else if (pathname === "/publish/on") {
      steady = setInterval(make, 20, "news", "");
    }
    answer(pathname, request, response);
  });
  const start: Program["start"] = (shutdown) => {
    server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
    let isClosing = false;
    process.on("SIGTERM", async () => {
      if (isClosing) return;
      isClosing = true;
      const began = performance.now();
      clearInterval(steady);
      console.log(`closing ${JSON.stringify({ published })}`);
      await shutdown();
      console.log(`settled ${JSON.stringify({ settled: performance.now() - began })}`);
    });
  };
  return { server, start };
}

function answer(path: string, request: IncomingMessage, response: ServerResponse): void {
  if (path === "/hang") return;
  if (path === "/never") {
    response.write("first half, ");
    return;
  }
  if (path === "/body") {
    console.log("entered /body");
    request.resume().once("end", () => response.end());
    return;
  }
  response.end("hello");
}
