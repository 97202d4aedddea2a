import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const common: BuildOptions = { bundle: true, format: "esm", target: "es2022", write: false };

/** The part of `wrangler.jsonc` that says how the Worker runs. */
export interface WorkerConfig {
  main: string;
  compatibility_date: string;
  durable_objects: { bindings: { name: string; class_name: string }[] };
}

/** Reads `wrangler.jsonc`, so that the Worker runs here as it runs when it is deployed. */
export function readConfig(): WorkerConfig {
  const text = readFileSync(fileOf("./wrangler.jsonc"), "utf8");
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));
}

/** Returns the Worker as one module, as `wrangler` bundles it. */
export async function bundleWorker({ minify = false }: { minify?: boolean } = {}): Promise<string> {
  await buildPage();
  return bundled({
    entryPoints: [fileOf(`./${readConfig().main}`)],
    // "workerd" is the condition of `tocsin/cloudflare`.
    ...{ minify, conditions: ["workerd", "worker", "browser"], external: ["cloudflare:*", "node:*"] },
    loader: { ".html": "text" },
  });
}

/** Writes `built/page.txt`, which the Worker imports. With `wrangler`, its `build.command` does this. */
async function buildPage(): Promise<void> {
  const script = await bundled({ entryPoints: [fileOf("./page.ts")], minify: true });
  const file = fileOf("./built/page.txt");
  mkdirSync(dirname(file), { recursive: true });
  // Another process may read the file at the same time, so it is renamed when it is complete.
  const whole = `${file}.${process.pid}`;
  writeFileSync(whole, script);
  renameSync(whole, file);
}

async function bundled(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...common, ...options });
  return outputFiles?.[0]?.text ?? "";
}
