import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { crowd, type Member } from "../../test/support/crowd.ts";
import { type Workerd, workerd } from "../../test/support/workerd.ts";
import type { Load } from "./load.ts";

/** What is measured: an object of tocsin, one that counts what it costs, or the one by hand. */
export type System = "OURS" | "HAND" | "COUNTED";

/** A process of workerd with one object, and its clients. Disposing of it ends both. */
export interface Site extends AsyncDisposable {
  readonly server: Workerd;
  /** Connects clients that are subscribed to the channel. */
  join(count: number): Promise<Member[]>;
  /** Has the object publish. Resolves when it has, and every client has been sent all of it. */
  load(load: Load, members: readonly Member[]): Promise<void>;
  post<T>(path: string): Promise<T>;
  /** Returns the microseconds of CPU that the process has used. */
  cpu(): number;
  /** Returns the resident memory of the process, in bytes. */
  memory(): number;
}

/** Starts a process whose object is of this kind. */
export async function site(system: System): Promise<Site> {
  const entry = fileURLToPath(new URL("worker.ts", import.meta.url));
  const objects = { OURS: "Ours", HAND: "ByHand", COUNTED: "Counted" };
  const server = await workerd({ entry, objects, canEvict: true });
  const url = `${server.url}/${system}/one`;
  const all: Member[] = [];
  const post = async <T>(path: string, body: object = {}): Promise<T> => {
    const response = await fetch(`${url}/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  return {
    server,
    post,
    async join(count) {
      const begin = async (member: Member): Promise<void> => {
        if (system !== "HAND") await member.ask({ connect: {} }, { subscribe: { channel: "news" } });
      };
      const members = await crowd(count, (n) => `${url}/ws?user=user-${n}`, begin);
      all.push(...members);
      return members;
    },
    async load(load, members) {
      const done = members.map((member) => member.until(member.published + load.count));
      await post("load", load);
      await Promise.all(done);
    },
    cpu: () => cpuOf(server.pid),
    memory: () => memoryOf(server.pid),
    async [Symbol.asyncDispose]() {
      for (const { socket } of all) socket.terminate();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Adds up what all threads of a process have run. The kernel counts in nanoseconds. */
function cpuOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const spent = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]),
  );
  return spent.reduce((sum, each) => sum + each, 0) / 1_000;
}

function memoryOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1_024;
}
