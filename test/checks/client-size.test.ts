import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { root } from "../support/runtimes.ts";

/** The maximum size in bytes of what a browser loads. */
const maxBytes = 5_000;

test(`tocsin/client with all its imports takes less than ${maxBytes} bytes, minified and compressed`, async () => {
  const options = { bundle: true, minify: true, format: "esm", write: false, target: "es2022" } as const;
  const { outputFiles } = await build({ entryPoints: [`${root}src/client.ts`], ...options });
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length).toBeLessThan(maxBytes);
});
