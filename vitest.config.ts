import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const src = fileURLToPath(new URL("./src/", import.meta.url));
/** What says nothing about a runtime, and so is run on one of them. */
const once = [
  ...["architecture", "client-size", "docs", "mutations", "readme", "size", "sources", "walls"].map(
    (name) => `test/checks/${name}.test.ts`,
  ),
];
/** The whole products: the packed package and its consumers, the types of other runtimes, the demo page in a browser. */
const products = ["test/checks/package.test.ts", "test/checks/types.test.ts", "test/hosts/chromium.test.ts"];

export default defineConfig({
  resolve: {
    alias: [
      { find: /^tocsin$/, replacement: `${src}mod.ts` },
      { find: /^tocsin\/(\w+)$/, replacement: `${src}$1.ts` },
    ],
  },
  test: {
    // The one pool that all three runtimes have. Nothing here keeps module state, so files share their processes,
    // which makes the start five times faster.
    pool: "forks",
    isolate: false,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Vitest would end a process that does not end; test/run.ts reports it instead.
    teardownTimeout: 2_147_483_647,
    allowOnly: false,
    setupFiles: process.env.TOCSIN_WORKERS === undefined ? [] : ["test/support/worker.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "suite",
          include: ["test/**/*.test.ts", "examples/*.test.ts"],
          exclude: [...once, ...products],
        },
      },
      {
        extends: true,
        test: {
          name: "once",
          include: once,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "products",
          include: products,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
