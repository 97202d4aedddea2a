import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { root } from "../support/runtimes.ts";

/** The maximum size in bytes of what a browser loads. */
const maxBytes = 5_150;
/** The maximum size in bytes of what `tocsin/client/http` adds to it. */
const maxHttpBytes = 1_500;

/** Returns the bytes of entries that are loaded together, with all their imports, minified and compressed. */
async function sizeOf(...entries: string[]): Promise<number> {
  const contents = entries.map((entry) => `export * from "./${entry}.ts";`).join("\n");
  const stdin = { contents, resolveDir: `${root}src`, loader: "ts" } as const;
  const options = { bundle: true, minify: true, format: "esm", write: false, target: "es2022" } as const;
  const { outputFiles } = await build({ stdin, ...options });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

test(`tocsin/client with all its imports takes less than ${maxBytes} bytes, minified and compressed`, async () => {
  expect(await sizeOf("client")).toBeLessThan(maxBytes);
});

test(`tocsin/client/http takes less than ${maxHttpBytes} bytes beside it`, async () => {
  const [alone, both] = await Promise.all([sizeOf("client"), sizeOf("client", "client-http")]);
  expect(both - alone).toBeLessThan(maxHttpBytes);
});
