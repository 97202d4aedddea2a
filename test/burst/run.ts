import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { start } from "../support/child.ts";
import { program } from "../support/runtime.ts";
import { binary, type Runtime } from "../support/runtimes.ts";
import { all, type How, own, stock, type Watcher, type What } from "./burst.ts";

/**
 * Tests bursts at full size: `node --import tsx test/burst/run.ts [--on node|bun|deno]… [--clients 50] [--count 6000]`.
 * Each burst has `clients` clients of each of the two kinds.
 */

const { values } = parseArgs({
  options: {
    on: { type: "string", multiple: true },
    clients: { type: "string", default: "50" },
    count: { type: "string", default: "6000" },
  },
});
const clients = Number(values.clients);
const count = Number(values.count);
const cases: [How, What][] = [
  ["awaited", "channel"],
  ["loose", "channel"],
  ["loose", "granted"],
  ["yields", "run"],
  ["emits", "run"],
];
let failed = 0;

for (const on of (values.on ?? ["node", "bun", "deno"]) as Runtime[]) {
  const file = fileURLToPath(new URL("server.ts", import.meta.url));
  const server = start(binary(on), [...program(file, on), "{}"]);
  const port = Number((await server.until(/port (\d+)\n/))[1]);
  for (const [how, what] of cases) {
    const url = `ws://127.0.0.1:${port}/`;
    const channel = `${how}-${what}`;
    const post = (path: string) => fetch(`http://127.0.0.1:${port}/${path}`, { method: "POST" });
    if (what === "run") await post(`prepare/${how}/${channel}/${count}`);
    const watchers: Watcher[] = await Promise.all(
      Array.from({ length: clients * 2 }, (_, i) => (i % 2 ? own : stock)(url, what, channel)),
    );
    const name = what === "granted" ? "granted" : channel;
    const began = performance.now();
    const answer = await (await post(`burst/${how}/${name}/${count}`)).json();
    await all(watchers, count, 30_000);
    const wrong = watchers.filter((each) => each.count !== count || each.fault !== undefined);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const faults = [...new Set(wrong.map((each) => `${each.name} ${each.count}: ${each.fault}`))].slice(0, 3);
    console.log(
      `${on} ${how} to a ${what}: ${watchers.length - wrong.length} of ${watchers.length} have all, ${seconds} s`,
      JSON.stringify(answer),
      ...faults,
    );
    failed += wrong.length;
    await Promise.all(watchers.map((each) => each.close()));
  }
  server.kill("SIGTERM");
  console.log(`${on} ${(await server.exit).output.trim().split("\n").at(-1)}`);
}
if (failed > 0) process.exitCode = 1;
