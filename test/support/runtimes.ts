import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The runtimes that the suite runs on. */
export type Runtime = "node" | "bun" | "deno";

/** The directory of the package. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Returns the executable of a runtime. Bun and Deno are found where npm put them. Node is the current executable, or
 * else found on the path.
 *
 * The commands in `node_modules/.bin` are not used. Before an install script has run, they are stand-ins, which hide
 * the actual process, or refuse to run.
 */
export function binary(runtime: Runtime): string {
  const found = (runtime === "node" ? nodes() : installed(runtime)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`Cannot find ${runtime}: run npm install first`);
  return realpathSync(found);
}

function installed(runtime: "bun" | "deno"): string[] {
  const scope = runtime === "bun" ? "@oven" : "@deno";
  const file = runtime === "bun" ? "bin/bun" : "deno";
  const directory = join(root, "node_modules", scope);
  const platforms = existsSync(directory) ? readdirSync(directory) : [];
  const moved = join(root, "node_modules", runtime, runtime === "bun" ? "bin/bun.exe" : "deno");
  return [...platforms.map((platform) => join(directory, platform, file)), moved];
}

/** `bun --bun` puts itself first on the path under the name `node`. */
function nodes(): string[] {
  const path = (process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, "node"));
  const candidates = (process.versions.bun ?? process.versions.deno) ? path : [process.execPath];
  return candidates.filter((file) => existsSync(file) && !/bun|deno/.test(realpathSync(file)));
}
