import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { type Child, start } from "../test/support/child.ts";
import { type Watcher, watch } from "../test/support/demo-page.ts";
import { buildPackage } from "../test/support/demo-server.ts";
import { missing } from "../test/support/redis.ts";
import { runtime } from "../test/support/runtime.ts";
import { root } from "../test/support/runtimes.ts";

// The example of three servers behind one port is started, and its servers are killed.

const reason = runtime === "node" ? missing : "it is a program for Node";

const user = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

/** Starts it as `npm run cluster` does, with a folder for temporary files of its own. */
function run(folder: string, variables: Record<string, string> = {}): Child {
  const child = start(process.execPath, ["--import", "tsx", "examples/cluster/run.ts"], {
    cwd: root,
    variables: { PORT: "0", TMPDIR: folder, ...variables },
  });
  onTestFinished(child.destroy);
  return child;
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-example-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a folder with a file that takes minutes to hash and no room on the disk. */
function slow(within: string): string {
  const folder = join(within, "slow");
  mkdirSync(folder);
  writeFileSync(join(folder, "last"), "");
  truncateSync(join(folder, "last"), 2 ** 36);
  return folder;
}

/** Returns the offsets that a watcher has received of a run. */
const offsetsOf = (watcher: Watcher, run: string) => watcher.heard(`run:${run}`).map(({ offset }) => offset);

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

if (reason !== undefined) test.skip(`three servers behind one port, with Redis (${reason})`);
else {
  beforeAll(buildPackage);

  test("a run outlives a killed server of those who watch it, and is lost once with its own", async () => {
    const folder = temporary();
    const others = temporary();
    const cluster = run(others);
    const [, url = ""] = await cluster.until(/taken at (http\S+)/);
    const started = await fetch(`${url}/runs`, {
      method: "POST",
      headers: { Cookie: `user=${user}`, "Content-Type": "application/json" },
      body: JSON.stringify({ folder: slow(folder) }),
    });
    expect(started.status).toBe(202);
    const own = started.headers.get("served-by") ?? "";
    const { run: id } = (await started.json()) as { run: string };

    // One for each server: the port gives connections to all in turn.
    const watchers = upTo(3).map(() => watch(url, user));
    onTestFinished(async () => void (await Promise.all(watchers.map((each) => each.close()))));
    for (const each of watchers) {
      void each.follow(`user:${user}`);
      void each.follow(`run:${id}`);
    }
    const all = (check: (each: Watcher) => boolean) =>
      Promise.all(watchers.map((each) => each.until(() => check(each))));
    await all((each) => offsetsOf(each, id).length >= 5);

    const other = upTo(3)
      .map(String)
      .find((name) => name !== own);
    const kill = async (name: string): Promise<void> => {
      const [, pid] = await cluster.until(new RegExp(`Server ${name} is process (\\d+)`));
      process.kill(Number(pid), "SIGKILL");
    };
    await kill(other as string);
    await cluster.until(new RegExp(`Server ${other} ended with SIGKILL, and is started again`));
    const before = watchers.map((each) => offsetsOf(each, id).length);
    await all((each) => each.statuses.at(-1)?.status === "connected");
    await all((each) => offsetsOf(each, id).length >= Math.max(...before) + 5);
    expect(
      watchers.filter(({ statuses }) => statuses.some(({ status }) => status === "waiting")),
    ).toHaveLength(1);
    await cluster.until(new RegExp(`(Server ${other} is process .*[^]*){2}`));

    await kill(own);
    const ended = (each: Watcher) =>
      each.heard(`user:${user}`).filter(({ data }) => data.type !== "run.started");
    await all((each) => ended(each).length > 0 && each.heard(`run:${id}`).at(-1)?.data.type === "run.failed");
    for (const each of watchers) {
      expect(ended(each).map(({ data }) => [data.type, data.run, data.reason])).toEqual([
        ["run.failed", id, "lost"],
      ]);
      const offsets = offsetsOf(each, id);
      expect(offsets).toEqual(upTo(offsets.length));
      expect(each.begun(`run:${id}`).map(({ recovered }) => recovered)).not.toContain(false);
    }

    await cluster.until(new RegExp(`(Server ${own} is process .*[^]*){2}`));
    cluster.kill("SIGINT");
    const { code, output } = await cluster.exit;
    expect([code, output.split("\n").at(-2)]).toEqual([0, "Stopped."]);
    const pids = [...output.matchAll(/is process (\d+)/g)].map(([, pid]) => Number(pid));
    expect(pids).toHaveLength(5);
    expect(pids.filter(runs)).toEqual([]);
    expect(readdirSync(others).filter((name) => name.startsWith("tocsin-"))).toEqual([]);
  });

  test("without Redis it says what to install", async () => {
    const { code, output } = await run(temporary(), { PATH: "/nowhere" }).exit;
    expect([code, output]).toEqual([
      1,
      'Cannot start: redis-server 7 is needed, and there is none: "apt install redis-server" or "brew install redis"\n',
    ]);
  });
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
