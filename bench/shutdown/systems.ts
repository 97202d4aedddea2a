import { fileURLToPath } from "node:url";
import { program } from "../../test/support/runtime.ts";
import { binary, type Runtime } from "../../test/support/runtimes.ts";
import type { System } from "../../test/support/shutdown.ts";
import type { Dialect } from "../../test/support/tcp.ts";

/** A system with the name that the table shows. */
export interface Entrant extends System {
  readonly name: string;
  /** Whether the system must meet the bounds of the contract. */
  readonly isOurs: boolean;
}

const address = (topics: readonly string[]): string => `/notifications?topics=${topics.join(",")}`;

/** Returns the system that runs tocsin's `serve` on the executable `file` of a runtime. */
export function tocsin(name: string, runtime: Runtime, file: string): Entrant {
  const child = fileURLToPath(new URL("../../test/support/shutdown-child.ts", import.meta.url));
  return { name, isOurs: true, file, args: program(child, runtime), address };
}

/**
 * Returns the systems on other libraries, on this Node. Each shuts down as the documentation of its library recommends.
 */
export function others(versions: (name: string) => string): Entrant[] {
  const entrant = (name: string, script: string, rest: Omit<System, "file" | "args">): Entrant => {
    const file = fileURLToPath(new URL(script, import.meta.url));
    return {
      name: `${name} ${versions(name)}`,
      isOurs: false,
      file: binary("node"),
      args: program(file, "node"),
      ...rest,
    };
  };
  return [
    entrant("ws", "ws.ts", { address, dialect: () => plain }),
    entrant("socket.io", "socket-io.ts", {
      address: (topics) => `/socket.io/?EIO=4&transport=websocket&topics=${topics.join(",")}`,
      dialect: () => engine,
    }),
    entrant("graphql-ws", "graphql-ws.ts", {
      address,
      headers: ["Sec-WebSocket-Protocol: graphql-transport-ws"],
      dialect: graphql,
    }),
  ];
}

const plain: Dialect = { hello: [], ready: /\r\n\r\n/, answer: () => undefined };

/** Engine.IO's packets: 2 is a ping, 3 its pong; 40 joins the default namespace. */
const engine: Dialect = {
  hello: ["40"],
  ready: /40\{"sid"/,
  answer: (message) => (message === "2" ? "3" : undefined),
};

/**
 * Subscribes to the first topic only: with the systems other than tocsin, no client of the benchmark follows more than
 * one.
 */
function graphql([topic]: readonly string[]): Dialect {
  const query = `subscription { publications(topic: "${topic}") { topic number text } }`;
  const subscribe = JSON.stringify({ id: "1", type: "subscribe", payload: { query } });
  const answers: Record<string, string> = {
    '{"type":"connection_ack"}': subscribe,
    '{"type":"ping"}': '{"type":"pong"}',
  };
  return {
    hello: ['{"type":"connection_init"}'],
    ready: /"number":0/,
    answer: (message) => answers[message],
  };
}
