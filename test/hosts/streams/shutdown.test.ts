import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { program, runtime } from "../../support/runtime.ts";
import { judge, perform, type Scale, type System } from "../../support/shutdown.ts";
import { cases } from "../../support/shutdown-cases.ts";

const system = (transport: string): System => ({
  file: process.execPath,
  args: program(fileURLToPath(new URL("../../support/shutdown-child.ts", import.meta.url))),
  address: (topics) => `/notifications?topics=${topics.join(",")}`,
  streams: (topics) => ({
    stream: `/streams/${transport}?topics=${topics.join(",")}`,
    post: "/streams/emulation",
  }),
});
const scale: Scale = { healthy: 4, stuck: 2, grace: 2_500, patience: 20_000 };
/** Shared machines stall. */
const slack = { settled: 1_000, exit: 2_000 };
/** What differs by transport only in how it is encoded is tested over one of them. */
const few = cases.filter(({ name }) => /^peers that (behave|never read, with 8)|^SIGTERM/.test(name));

describe.concurrent.each([
  ["http_stream", cases.filter(({ framed }) => framed !== true)],
  ["sse", few],
] as const)(`a process of ${runtime} that is shut down, with clients over %s`, (transport, all) => {
  for (const one of all)
    test(`settles within its grace, loses nothing and ends by itself: ${one.name}`, async () => {
      const patient = { ...scale, grace: one.brief ? 8_000 : scale.grace };
      const { outcome, wrong } = await perform(system(transport), patient, one);
      expect([...judge(one, patient, outcome, slack), ...wrong]).toEqual([]);
    });
});
