import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { program } from "../support/runtime.ts";
import { binary, type Runtime } from "../support/runtimes.ts";
import { fuzz } from "./fuzz.ts";
import { fuzzProtobuf } from "./protobuf.ts";
import { finish, fuzzWire, stats, target } from "./wire.ts";

/**
 * Fuzzes notifiers in this process: `npm run fuzz -- --runs N [--seed S [--path P]]`, and with `--protobuf` frames of that
 * encoding. With `--wire [--connection C]`,
 * sends bytes to a server of each runtime instead, or only of those in `--on node|bun|deno`. A failure prints what is
 * needed to repeat it.
 */

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    path: { type: "string" },
    wire: { type: "boolean" },
    protobuf: { type: "boolean" },
    on: { type: "string", multiple: true },
    connection: { type: "string" },
  },
});
const runs = Number(values.runs ?? 100_000);
const first = Number(values.seed ?? 1);
if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(first)) {
  throw new RangeError("Cannot fuzz: --runs and --seed are whole numbers");
}

process.on("unhandledRejection", (error) => {
  throw error;
});

if (!values.wire) await fuzzCommands();
else for (const on of values.on ?? ["node", "bun", "deno"]) await fuzzServer(on as Runtime);

/** Plays 250 schedules of each seed, until `runs` steps were played. */
async function fuzzCommands(): Promise<void> {
  const began = performance.now();
  let inputs = 0;
  let seed = first;
  for (; inputs < runs; seed++) {
    inputs += values.protobuf
      ? await fuzzProtobuf({ seed, runs: 250, path: values.path })
      : await fuzz({ seed, schedules: 250, path: values.path });
    if (values.path !== undefined) break;
    if ((seed - first) % 50 === 49) console.log(`${inputs} inputs, up to seed ${seed}`);
  }
  console.log(`${inputs} inputs of seeds ${first} to ${seed - 1} broke nothing, in ${seconds(began)} s`);
}

/** Sends bytes to a server of a runtime, until `runs` frames were sent. */
async function fuzzServer(on: Runtime): Promise<void> {
  const began = performance.now();
  const file = fileURLToPath(new URL("fuzz-server.ts", import.meta.url));
  const server = await target(binary(on), program(file, on));
  try {
    let frames = 0;
    let seed = first;
    const only = values.connection === undefined ? undefined : Number(values.connection);
    for (; frames < runs; seed++) {
      frames += await fuzzWire(server, { seed, connections: 200, only });
      if (only !== undefined) break;
      if ((seed - first) % 25 === 24)
        console.log(`${on}: ${frames} frames, up to seed ${seed}: ${await memory(server.port)}`);
    }
    const left = await memory(server.port);
    const wrong = await finish(server);
    if (wrong.length > 0) throw new Error(`${on}: ${wrong.join("; ")}`);
    console.log(
      `${on}: ${frames} frames of seeds ${first} to ${seed - 1} broke nothing, in ${seconds(began)} s; ${left}`,
    );
  } finally {
    server.program.destroy();
  }
}

async function memory(port: number): Promise<string> {
  const { rss, heapUsed } = await stats(port);
  return `${(heapUsed / 1e6).toFixed(1)} MB of heap, ${(rss / 1e6).toFixed(0)} MB in all`;
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
