import { renameSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { buildSync } from "esbuild";
import type { UpgradeWebSocket } from "hono/ws";
import type { App, ServeOptions, Server } from "../../src/hosts/host.ts";
import { root } from "./runtimes.ts";

/** The current runtime. */
export const runtime: "node" | "bun" | "deno" =
  "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** The exports that the entries of all runtimes have. */
export interface Entry {
  serve(app: App, options: ServeOptions): Promise<Server>;
  upgradeWebSocket: UpgradeWebSocket<{ readyState: number }>;
  terminationSignal(): AbortSignal;
}

const entries: Record<typeof runtime, () => Promise<unknown>> = {
  node: () => import("../../src/node.ts"),
  bun: () => import("../../src/bun.ts"),
  deno: () => import("../../src/deno.ts"),
};

/** The entry of this runtime. */
export const entry = (await entries[runtime]()) as Entry;

const bundles = new Map<string, string>();

/** Returns the arguments with which a runtime's executable, by default the current one, runs a TypeScript file. */
export function program(file: string, on: typeof runtime = runtime): string[] {
  if (on === "deno") return ["run", "-A", "--no-check", file];
  return [on === "node" ? bundled(file) : file];
}

/** Bundles a file and its imports as JavaScript. Node starts that four times faster than with tsx. */
function bundled(file: string): string {
  let bundle = bundles.get(file);
  if (bundle === undefined) {
    // In the project, because it imports the project's packages. Several processes may write the same file at once.
    const name = relative(root, file).replace(/[^\w.]+/g, "-");
    bundle = join(root, ".cache", `${name.replace(/\.ts$/, "")}.mjs`);
    const outfile = `${bundle}.${process.pid}`;
    const target = { platform: "node", format: "esm", target: "node20" } as const;
    buildSync({ entryPoints: [file], outfile, bundle: true, packages: "external", ...target });
    renameSync(outfile, bundle);
    bundles.set(file, bundle);
  }
  return bundle;
}
