import { type RedisLogOptions, redisLog } from "tocsin/redis";
import { expect, onTestFinished } from "vitest";
import { createNotifier, LogError, type Notifier } from "../../../src/mod.ts";
import type { Log, Position, Slice } from "../../../src/model/log.ts";
import { clientOf, type Package, type RedisServer, startRedis } from "../../support/redis.ts";
import { proxy, type Way } from "../../support/redis-proxy.ts";

/** Starts a server that is destroyed after the test. */
export async function server(...options: string[]): Promise<RedisServer> {
  const started = await startRedis(...options);
  onTestFinished(() => started.destroy());
  return started;
}

/** Opens a way to a server, which is closed after the test. */
export async function way({ port }: { port: number }): Promise<Way> {
  const opened = await proxy(port);
  onTestFinished(() => opened.destroy());
  return opened;
}

/** Creates a log that is disposed after the test. */
export function logOn(
  name: Package,
  { port }: { port: number },
  options: Partial<RedisLogOptions> = {},
): Log & Required<Pick<Log, "join" | "keeps">> {
  const log = redisLog({ client: clientOf(name, port), ...options });
  onTestFinished(() => log[Symbol.asyncDispose]());
  return log as Log & Required<Pick<Log, "join" | "keeps">>;
}

/** A notifier, and the errors that it has reported. */
export interface Node {
  readonly notifier: Notifier;
  readonly log: Log;
  readonly errors: unknown[];
}

/** Creates a notifier over a log of its own, which is closed after the test. */
export function nodeOn(name: Package, to: { port: number }, options?: Partial<RedisLogOptions>): Node {
  const log = redisLog({ client: clientOf(name, to.port), ...options });
  const errors: unknown[] = [];
  const notifier = createNotifier({ log, onError: (error) => errors.push(error) });
  onTestFinished(async () => void (await notifier.close({ grace: 500 })));
  return { notifier, log, errors };
}

/** Publishes on all nodes at once, each `count` times, and calls `disturb` with how many are in the log. */
export async function publishAll(
  nodes: readonly Node[],
  count: number,
  disturb: (done: number) => void | Promise<void>,
): Promise<string[]> {
  const sent: string[] = [];
  let done = 0;
  const disturbing: (void | Promise<void>)[] = [];
  const publish = async ({ notifier }: Node, at: number): Promise<void> => {
    const own = Array.from({ length: count }, (_, index) => `${at} ${index}`);
    sent.push(...own);
    // Some at once, and some one after the other.
    for (let from = 0; from < own.length; from += 10) {
      await Promise.all(own.slice(from, from + 10).map((data) => notifier.publish("news", data)));
      done += 10;
      disturbing.push(disturb(done));
    }
  };
  await Promise.all(nodes.map(publish));
  await Promise.all(disturbing);
  return sent;
}

/** Checks that everything that was sent is in the log once, and what each node has sent in its order. */
export function madeOnce({ entries }: Slice, sent: readonly string[], nodes: number): void {
  const found = entries.map(({ data }) => JSON.parse(data) as string);
  expect(found.toSorted()).toEqual(sent.toSorted());
  for (let at = 0; at < nodes; at++) {
    const of = (all: readonly string[]) => all.filter((data) => data.startsWith(`${at} `));
    expect(of(found)).toEqual(of(sent));
  }
}

/**
 * Follows a channel, and goes on where it was while the log fails. Settles with the reason of the signal, or with an error
 * that says something else.
 */
export async function followOn(
  { notifier }: Node,
  after: Position,
  signal: AbortSignal,
  take: (data: unknown) => void,
): Promise<unknown> {
  let position = after;
  for (;;) {
    try {
      for await (const { data, offset, epoch } of notifier.follow("news", { after: position, signal })) {
        position = { offset, epoch };
        take(data);
      }
    } catch (error) {
      if (!(error instanceof LogError) || error.lasting) return error;
    }
  }
}

/** Waits in real time until a check passes, for at most 20 s. */
export async function until(check: () => void | Promise<void>): Promise<void> {
  const end = performance.now() + 20_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Returns what a promise rejects with. */
export async function errorOf(promise: unknown): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("Expected a rejection");
}
