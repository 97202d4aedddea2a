import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { oddFrames } from "../support/odd-frames.ts";
import { closeOf, rawSite } from "../support/raw.ts";
import { runtime } from "../support/runtime.ts";
import { root } from "../support/runtimes.ts";
import { closing, type Tcp } from "../support/tcp.ts";

const answered = /"id":7,"ping":/;
const closed = new RegExp(`${String.fromCharCode(0x88)}...`, "s");

/** Returns what happens to a peer: "accepted", its close code, or "cut" without a close frame. */
async function fateOf(peer: Tcp): Promise<string> {
  await peer.until(new RegExp(`${answered.source}|${closed.source}`, "s")).catch(() => {});
  if (answered.test(peer.received)) return "accepted";
  // The notifier closes only after it has received the peer's close frame.
  peer.send(closing(1000));
  await peer.ended;
  return `${closeOf(peer)?.code ?? "cut"}`;
}

describe(`${runtime}, sent frames`, () => {
  test.each(oddFrames)("that are odd ($what): each peer meets its fate alone", async (row) => {
    const here = await rawSite();
    for (const [name, frames] of Object.entries(row.cases)) {
      const peer = await here.connected();
      for (const each of frames) peer.send(each);
      expect([name, await fateOf(peer)]).toEqual([name, row[runtime]]);
      peer.destroy();
      await here.unharmed();
    }
    const { length } = Object.keys(row.cases);
    expect((await here.ended.until(length)).length).toBe(length);
    expect(here.notifier.stats().sessions).toBe(1);
  });

  test("has all of them in the table of the docs", () => {
    const page = readFileSync(join(root, "docs/runtimes.md"), "utf8");
    const rows = oddFrames.map(({ what, node, bun, deno }) => `| ${what} | ${node} | ${bun} | ${deno} |`);
    expect(rows.filter((row) => !page.includes(`${row}\n`))).toEqual([]);
  });
});
