import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const src = fileURLToPath(new URL("./src/", import.meta.url));
/** The tests whose result does not depend on the runtime. They run on only one runtime. */
const once = [
  ...["architecture", "client-size", "docs", "mutations", "readme", "size", "sources", "walls"].map(
    (name) => `test/checks/${name}.test.ts`,
  ),
];
const isNode = !("Bun" in globalThis || "Deno" in globalThis);
/** The suites for logs against wrong logs: most of it is waiting. They run on Node only. */
const wrongLogs = [
  "log-suite",
  "log-suite-members",
  "log-suite-nodes",
  "log-suite-places",
  "log-suite-together",
].map((name) => `test/testing/${name}.test.ts`);
/**
 * Random schedules, inputs and large crowds against the engine, which is the same code on every runtime. With Bun and Deno
 * they run only where there is time for it.
 */
const models = [
  "test/checks/fuzz.test.ts",
  "test/checks/simulation.test.ts",
  "test/engine/hub/close-model.test.ts",
  "test/engine/sessions/flow-model.test.ts",
  "test/engine/sessions/restore-model.test.ts",
  "test/engine/sessions/storm.test.ts",
  "test/engine/sessions/swarm.test.ts",
  "test/testing/shared-log-model.test.ts",
];
/** What only workerd runs. Its tests run on Node. */
const workerd = ["test/workerd/*.test.ts"];
/**
 * The whole products: the packed package and its consumers, the types of other runtimes, the demo page in a browser, the
 * example of several servers.
 */
const products = [
  "examples/cluster-run.test.ts",
  "test/checks/package.test.ts",
  "test/checks/types.test.ts",
  "test/client/chromium.test.ts",
  "test/hosts/chromium-nodes.test.ts",
  "test/hosts/chromium.test.ts",
  "test/hosts/streams/chromium.test.ts",
  "test/hosts/streams/tabs.test.ts",
  "test/hosts/worker-page.test.ts",
];
/**
 * The log in Redis: with the clients of both packages, behind a Cluster and a Sentinel, and with faults. Most of it is
 * waiting. The suite has one client and one server of it, on Node.
 */
const redis = ["test/stores/redis/*.test.ts"];
const inSuite = isNode ? "{closed-early,suite}" : "closed-early";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^tocsin$/, replacement: `${src}mod.ts` },
      { find: /^tocsin\/(\w+)$/, replacement: `${src}$1.ts` },
      { find: /^tocsin\/(\w+)\/(\w+)$/, replacement: `${src}$1-$2.ts` },
    ],
  },
  test: {
    // "forks" is the only pool that all three runtimes have. No file keeps module state, so that test files can share
    // processes. This makes the start five times faster.
    pool: "forks",
    isolate: false,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Vitest would kill a process that does not end by itself. With this timeout it does not, and test/run.ts reports
    // it.
    teardownTimeout: 2_147_483_647,
    allowOnly: false,
    setupFiles: process.env.TOCSIN_WORKERS === undefined ? [] : ["test/support/worker.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "suite",
          include: ["test/**/*.test.ts", "examples/*.test.ts"],
          exclude: [
            ...once,
            ...products,
            ...models,
            ...wrongLogs,
            ...workerd,
            `test/stores/redis/!(${inSuite}).test.ts`,
          ],
        },
      },
      { extends: true, test: { name: "redis", include: redis, env: { TOCSIN_TEST_REDIS: "all" } } },
      { extends: true, test: { name: "models", include: isNode ? [...models, ...wrongLogs] : models } },
      { extends: true, test: { name: "workerd", include: workerd } },
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
