import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { program } from "../../test/support/runtime.ts";
import { binary, type Runtime, root } from "../../test/support/runtimes.ts";

/** How a client connects to a peer. `%d` stands for the number of the connection. */
export interface Greeting {
  path: string;
  /** The first message of the client. Empty: the client sends none. */
  hello: string;
  /** The client is ready once it has received this text. Empty: the client is ready after the upgrade. */
  marker: string;
  dialect: "plain" | "tocsin" | "engine";
}

/** A program that is measured. */
export interface Entrant {
  readonly id: string;
  /** The name in tables. */
  readonly name: string;
  readonly runtime: Runtime;
  readonly isOurs: boolean;
  readonly file: string;
  readonly args: string[];
  greeting(channel: string): Greeting;
}

const plain = (channel: string): Greeting => ({
  path: `/?channel=${channel}`,
  hello: "",
  marker: "",
  dialect: "plain",
});

export const engine = (channel: string): Greeting => ({
  path: `/socket.io/?EIO=4&transport=websocket&channel=${channel}`,
  hello: "40",
  marker: '40{"sid"',
  dialect: "engine",
});

export const ours = (channel: string): Greeting => ({
  path: "/?user=%d",
  hello: `{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"${channel}"}}`,
  marker: '"id":2',
  dialect: "tocsin",
});

/** Returns all programs that can be measured. Those for Node run on the executable `node`. */
export function entrants(node: string): Entrant[] {
  const files: Record<Runtime, string> = { node, bun: binary("bun"), deno: binary("deno") };
  const entrant = (
    id: string,
    name: string,
    runtime: Runtime,
    script: string,
    greeting: Entrant["greeting"],
  ): Entrant => {
    const file = fileURLToPath(new URL(`../peers/${script}.ts`, import.meta.url));
    return {
      id,
      name,
      runtime,
      isOurs: script === "tocsin",
      file: files[runtime],
      args: program(file, runtime),
      greeting,
    };
  };
  return [
    entrant("tocsin-node", `tocsin, Node ${versionOf(node)}`, "node", "tocsin", ours),
    entrant("ws", `ws ${versionIn("ws")} by hand`, "node", "ws", plain),
    entrant("frame", "one prebuilt frame per socket", "node", "frame", plain),
    entrant("socket-io", `Socket.IO ${versionIn("socket.io")}`, "node", "socket-io", engine),
    entrant("crossws", `crossws ${versionIn("crossws")}`, "node", "crossws", plain),
    entrant("hono", `Hono ${versionIn("hono")} on Node by hand`, "node", "hono", plain),
    entrant("tocsin-bun", `tocsin, Bun ${versionOf(files.bun)}`, "bun", "tocsin", ours),
    entrant("bun-publish", "Bun's native publish", "bun", "bun-publish", plain),
    entrant("bun", "Bun by hand", "bun", "bun", plain),
    entrant("tocsin-deno", `tocsin, Deno ${versionOf(files.deno)}`, "deno", "tocsin", ours),
    entrant("deno", "Deno by hand", "deno", "deno", plain),
  ];
}

export function versionOf(file: string): string {
  return /\d+\.\d+\.\d+/.exec(execFileSync(file, ["--version"], { encoding: "utf8" }))?.[0] ?? "";
}

export function versionIn(name: string): string {
  return JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;
}
