import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundle } from "../bench/speed/import-cost.ts";

/** Bytes; what a server imports is meant to become smaller, and must not become larger unnoticed. */
const most = 43_000;

test(`tocsin and tocsin/hono take less than ${most} bytes together, minified and compressed`, async () => {
  expect(gzipSync(await bundle(), { level: 9 }).length).toBeLessThan(most);
});
