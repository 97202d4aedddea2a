import { ClosedError } from "../../src/model/errors.ts";
import type { Log } from "../../src/model/log.ts";

export type Killable = Log & { kill(): void };

/** A log that stops writing once it is killed. What its process does after that cannot be seen by anybody. */
export function killable(log: Log): Killable {
  let isKilled = false;
  const dead = (): never => {
    throw new ClosedError("Cannot go on: the process is dead");
  };
  const { join } = log;
  return {
    append: (...args) => (isKilled ? dead() : log.append(...args)),
    read: (...args) => (isKilled ? dead() : log.read(...args)),
    watch: (...args) => (isKilled ? dead() : log.watch(...args)),
    keeps: (channel) => log.keeps?.(channel) ?? {},
    ...(log.commit && { commit: () => (isKilled ? dead() : log.commit?.()) }),
    ...(join && {
      join: async (...args) => {
        const membership = await join(...args);
        return {
          ...membership,
          release: (record) => (isKilled ? dead() : membership.release(record)),
          [Symbol.asyncDispose]: () => membership[Symbol.asyncDispose](),
        };
      },
    }),
    [Symbol.asyncDispose]: async () => {
      if (!isKilled) await log[Symbol.asyncDispose]();
    },
    kill() {
      isKilled = true;
    },
  };
}
