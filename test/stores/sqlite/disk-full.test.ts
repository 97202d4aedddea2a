import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNotifier, LogError } from "tocsin";
import { sqliteLog } from "tocsin/sqlite";
import { expect, onTestFinished } from "vitest";
import { open } from "../../support/sqlite.ts";
import { test } from "./tools.ts";

/** Mounts a disk of one MiB. Returns undefined where that is not allowed. */
function smallDisk(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-disk-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", ["--lazy", directory]));
  return directory;
}

/** Fills a disk up to less than one of the publications takes. */
function fillUp(filler: string): void {
  expect(() => writeFileSync(filler, "x".repeat(2_000_000))).toThrow("ENOSPC");
  truncateSync(filler, statSync(filler).size - 16_384);
}

test("while a disk is full publications wait, the hook hears of it once, and nothing is lost", async ({
  skip,
}) => {
  const directory = smallDisk();
  if (directory === undefined) return skip("mounting a small disk needs the rights of root");
  const filler = join(directory, "filler");
  let failed = (): void => {};
  const failing = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const database = open(join(directory, "log.db"));
  const errors: unknown[] = [];
  const notifier = createNotifier({
    log: sqliteLog({ database }),
    onError(error) {
      errors.push(error);
      failed();
    },
  });
  onTestFinished(async () => void (await notifier.close()));
  await notifier.publish("news", 0);
  fillUp(filler);
  const text = "x".repeat(50_000);
  let written = 0;
  const publishing = Array.from({ length: 6 }, async (_, n) => {
    await notifier.publish("news", { n, text });
    written++;
  });
  await failing;
  expect(errors).toEqual([expect.any(LogError)]);
  expect(errors).toMatchObject([{ lasting: false, message: expect.stringContaining("disk is full") }]);
  expect(written).toBe(0);
  expect((await notifier.history("news")).publications).toHaveLength(1);
  rmSync(filler);
  await Promise.all(publishing);
  const { publications } = await notifier.history("news");
  expect(publications.map(({ offset }) => offset)).toEqual(
    Array.from({ length: 7 }, (_, index) => index + 1),
  );
  const { milliseconds, undelivered } = await notifier.close();
  expect([errors.length, undelivered, milliseconds < 5_000]).toEqual([1, [], true]);
});
