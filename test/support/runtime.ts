import { renameSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { buildSync } from "esbuild";
import type { UpgradeWebSocket } from "hono/ws";
import type { App, ServeOptions, Server } from "../../src/hosts/host.ts";
import { root } from "./runtimes.ts";

/** The runtime this runs on. */
export const runtime: "node" | "bun" | "deno" =
  "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** What the entry of every runtime exports. */
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

/** The arguments with which a runtime's executable, by default this one's, runs a TypeScript file. */
export function program(file: string, on: typeof runtime = runtime): string[] {
  if (on === "deno") return ["run", "-A", "--no-check", file];
  return [on === "node" ? bundled(file) : file];
}

/** The file and the sources it imports as JavaScript, which Node starts with four times sooner than through tsx. */
function bundled(file: string): string {
  let bundle = bundles.get(file);
  if (bundle === undefined) {
    // In the project, whose packages it imports. Several processes may write the same at once.
    bundle = join(root, ".cache", `${basename(file, ".ts")}.mjs`);
    const outfile = `${bundle}.${process.pid}`;
    const target = { platform: "node", format: "esm", target: "node20" } as const;
    buildSync({ entryPoints: [file], outfile, bundle: true, packages: "external", ...target });
    renameSync(outfile, bundle);
    bundles.set(file, bundle);
  }
  return bundle;
}
