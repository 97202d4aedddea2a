import { createServer } from "node:net";

/**
 * The next port to try, as an offset. All ports are below the range that systems use for outgoing connections:
 * otherwise a client that connects to a free port could connect to itself. Each process starts at another port, and
 * tries all before it tries one again.
 */
let nextPort = process.pid * 50;

/** Returns a port that no process listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + (nextPort++ % 18_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
