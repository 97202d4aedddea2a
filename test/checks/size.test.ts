import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundle } from "../../bench/speed/import-cost.ts";
import { bundleWorker } from "../../examples/worker/bundle.ts";

/** The maximum size in bytes of what a server imports. Lower it when the size shrinks; raise it only on purpose. */
const maxBytes = 73_000;
/** The same of the Worker of the example: tocsin/cloudflare, Hono, and the page with its client. */
const maxWorkerBytes = 99_500;

const size = gzipSync(await bundle(), { level: 9 }).length;

test(`tocsin and tocsin/hono take less than ${maxBytes} bytes together, minified and compressed`, () => {
  expect(size).toBeLessThan(maxBytes);
});

test(`the Worker of the example takes less than ${maxWorkerBytes} bytes, minified and compressed`, async () => {
  const worker = gzipSync(await bundleWorker({ minify: true }), { level: 9 });
  expect(worker.length).toBeLessThan(maxWorkerBytes);
});

test("docs/performance.md states their size", async () => {
  const page = await readFile(new URL("../../docs/performance.md", import.meta.url), "utf8");
  expect(page.replace(/\s+/g, " ")).toContain(
    `are now ${Math.round(size / 1_000)} kB, minified and compressed.`,
  );
});
