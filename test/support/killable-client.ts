import type { RedisClient } from "../../src/redis.ts";

/** Makes a client whose process can end: all connections that were made of it are cut, and no other can be made. */
export function killable(client: RedisClient): { client: RedisClient; kill(): void } {
  const made: { destroy?(): void; disconnect?(): void }[] = [];
  let isDead = false;
  const wrapped = new Proxy(client, {
    get(target, name) {
      if (name !== "duplicate") return Reflect.get(target, name);
      return (...options: never[]) => {
        if (isDead) throw new Error("The process has ended");
        const duplicate = target.duplicate(...options) as (typeof made)[number];
        made.push(duplicate);
        return duplicate;
      };
    },
  });
  const kill = (): void => {
    isDead = true;
    for (const each of made) {
      try {
        if (each.destroy !== undefined) each.destroy();
        else each.disconnect?.();
      } catch {
        // It was closed already.
      }
    }
  };
  return { client: wrapped, kill };
}
