import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "../../test/support/runtimes.ts";
import { median } from "./results.ts";

/** The cost of importing `tocsin` and `tocsin/hono`. */
export interface ImportCost {
  /** Size in bytes of one bundle of both, minified and compressed, without Hono. */
  bytes: number;
  /** Duration of the import in milliseconds: the median of 15 processes. */
  milliseconds: number;
}

/** Bundles both entries as a user's bundler would. */
export async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: 'export * from "./src/mod.ts"; export * from "./src/hono.ts";', resolveDir: root },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["hono", "hono/*"],
    write: false,
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

export async function importCost(node: string): Promise<ImportCost> {
  const code = await bundle();
  const file = join(root, ".cache/import.mjs");
  mkdirSync(join(root, ".cache"), { recursive: true });
  writeFileSync(file, code);
  const script = `await import("hono/http-exception"); const began = performance.now(); await import(${JSON.stringify(file)}); console.log(performance.now() - began);`;
  const times = Array.from({ length: 15 }, () =>
    Number(execFileSync(node, ["--input-type=module", "-e", script], { cwd: root, encoding: "utf8" })),
  );
  return { bytes: gzipSync(code, { level: 9 }).length, milliseconds: median(times) };
}
