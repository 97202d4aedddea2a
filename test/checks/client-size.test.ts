import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { root } from "../support/runtimes.ts";

/** Bytes; what a browser loads is meant to stay below, whichever runtime compresses it. */
const most = 5_000;

test(`tocsin/client takes less than ${most} bytes with all that it brings along, minified and compressed`, async () => {
  const options = { bundle: true, minify: true, format: "esm", write: false, target: "es2022" } as const;
  const { outputFiles } = await build({ entryPoints: [`${root}src/client.ts`], ...options });
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length).toBeLessThan(most);
});
