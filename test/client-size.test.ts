import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { root } from "./runtimes.ts";

test("the client is small, with all that it brings along", async () => {
  const options = { bundle: true, minify: true, format: "esm", write: false, target: "es2022" } as const;
  const { outputFiles } = await build({ entryPoints: [`${root}src/client.ts`], ...options });
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length).toBeLessThan(4_000);
});
