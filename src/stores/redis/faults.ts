import { describe, LogError } from "../../model/errors.ts";

const replica = /READONLY|You can't write against a read only/;

/** What is known about an error of Redis, by how it begins. */
const known: readonly (readonly [begins: RegExp, why: string, lasting?: boolean])[] = [
  [/OOM /, "Redis is full. Raise its maxmemory, or keep less. What is published waits until there is room"],
  [
    replica,
    "this Redis is a replica, which cannot be written. Connect to the master, by Sentinel if it changes",
  ],
  [/WRONGTYPE/, "its key in Redis has something else. Use another prefix", true],
  [/FORMAT/, "another version of tocsin has written it. Update this one, or use another prefix", true],
  [
    /NOPERM|NOAUTH|WRONGPASS/,
    "its user may not do this. See the page about clusters for the commands that a user needs",
  ],
  [/LOADING/, "Redis still loads its data"],
  [/MISCONF/, "Redis cannot save to its disk, and refuses writes. See its log"],
  [/NOREPLICAS/, "Redis has too few replicas for min-replicas-to-write"],
  [/BUSY /, "a script keeps Redis busy"],
  [/TRYAGAIN|CLUSTERDOWN|MASTERDOWN|ASK |MOVED /, "a part of the Redis Cluster is being moved, or is down"],
];

/** Returns the error of a log for one of Redis, or of its client. Only a lasting one cannot be cured by trying again. */
export function faultOf(error: unknown, what: string): LogError {
  if (error instanceof LogError) return error;
  const { name, message } = describe(error);
  const found = known.find(([begins]) => begins.test(message));
  const why = found?.[1] ?? "Redis cannot be reached, or has failed. Try again";
  // The error of a client may have the whole command: what was published does not belong in a report.
  const cause = Object.assign(new Error(message), { name });
  return new LogError(`Cannot ${what}: ${why} (${message})`, { cause, lasting: found?.[2] ?? false });
}

/** Whether an error says that the server is a replica, which cannot be written. */
export function isOfReplica(error: unknown): boolean {
  return replica.test(describe(error).message);
}

/** Whether an error says that Redis does not know a script by its hash. Then it has done nothing. */
export function isUnknownScript(error: unknown): boolean {
  return /NOSCRIPT/.test(describe(error).message);
}
