import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { missing } from "../support/redis.ts";
import { redisRound } from "./redis-round.ts";

/**
 * Kills servers that share a Redis by SIGKILL, and starts them again, and Redis itself once:
 * `npm run crashes:redis -- [--seconds 10] [--seed S] [--clients 300] [--publishers 30]`.
 *
 * Three servers on Node, one of them with `ioredis` and two with `redis`, are behind one port. Redis appends to a file, with
 * `appendfsync always`. Afterwards every client must have every publication in order, every run one ending, and every
 * confirmed publication must be delivered or reported once. The time is real, so a seed repeats the events, but their
 * times only nearly.
 */

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    clients: { type: "string", default: "300" },
    publishers: { type: "string", default: "30" },
  },
});
const [seconds, seed, clients, publishers] = [
  Number(values.seconds),
  Number(values.seed),
  Number(values.clients),
  Number(values.publishers),
];
if (!(seconds > 0) || ![seed, clients, publishers / 3].every(Number.isSafeInteger) || clients < 1)
  throw new RangeError(
    "Cannot kill: give whole numbers, --seconds above 0, and --publishers as a multiple of 3",
  );

if (missing !== undefined) console.log(`redis: nothing was killed, because ${missing}`);
else {
  const began = performance.now();
  const plan = { seconds, seed, clients, publishers, mark: randomUUID() };
  const outcome = await redisRound(plan).catch((error: unknown) => String(error));
  const wrong = typeof outcome === "string" ? [outcome] : outcome.wrong;
  if (wrong.length > 0)
    console.log(
      `FAILED seed ${seed}: repeat it with --seed ${seed} --seconds ${seconds} --clients ${clients} --publishers ${publishers}`,
    );
  for (const fault of wrong.slice(0, 20)) console.log(`  ${fault}`);
  if (wrong.length > 20) console.log(`  and ${wrong.length - 20} more`);
  if (typeof outcome !== "string") {
    const {
      kills,
      restarts,
      resolved,
      kept,
      confirmed,
      delivered,
      undelivered,
      received,
      gaps,
      runs,
      lost,
      unannounced,
      waiting,
    } = outcome;
    console.log(
      `redis: ${kills} kills of servers, ${restarts} of Redis, ${resolved} publications resolved, ${kept} in the log, ` +
        `${received} received by ${clients} clients, ${gaps} gaps; ${confirmed} confirmed, ${delivered} known to be delivered, ` +
        `${undelivered} reported, ${waiting} wait; ${runs} runs, ${lost} of them lost, ${unannounced} endings not announced`,
    );
  }
  console.log(`total: ${wrong.length} faults, in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  if (wrong.length > 0) process.exitCode = 1;
}
