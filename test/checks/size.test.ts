import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundle } from "../../bench/speed/import-cost.ts";

/** Bytes; what a server imports is meant to become smaller, and must not become larger unnoticed. */
const most = 44_200;

const size = gzipSync(await bundle(), { level: 9 }).length;

test(`tocsin and tocsin/hono take less than ${most} bytes together, minified and compressed`, () => {
  expect(size).toBeLessThan(most);
});

test("docs/performance.md says how large they are", async () => {
  const page = await readFile(new URL("../../docs/performance.md", import.meta.url), "utf8");
  expect(page.replace(/\s+/g, " ")).toContain(
    `are now ${Math.round(size / 1_000)} kB, minified and compressed.`,
  );
});
