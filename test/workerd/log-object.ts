import { logSuite } from "tocsin/testing";
import { describe as inWords } from "../../src/model/errors.ts";
import type { Position } from "../../src/model/log.ts";
import { createObjectLog } from "../../src/stores/sqlite/object-log.ts";
import type { ObjectStorage } from "../../src/stores/sqlite/object-port.ts";
import type { SqliteLog } from "../../src/stores/sqlite/sqlite-log.ts";

/** A worker whose objects test the log on their own storage. `?object=` of a request names its object. */

interface State {
  readonly id: object;
  readonly storage: ObjectStorage & { deleteAll(): Promise<void> };
}

type Answer = unknown | Promise<unknown>;

export class LogObject {
  readonly #storage: State["storage"];
  readonly #id: string;
  readonly #log: SqliteLog;
  #written = 0;

  constructor({ id, storage }: State) {
    this.#storage = storage;
    this.#id = String(id);
    const size = (channel: string): number => (channel === "rows" ? 2_000 : Infinity);
    this.#log = createObjectLog(this.#counted(storage), {
      ...{ id: this.#id, size, slack: 0, bytes: Infinity },
    });
  }

  /** Returns the storage, of which each written row is counted. */
  #counted(storage: ObjectStorage): ObjectStorage {
    return {
      sql: {
        exec: (sql, ...values) => {
          const cursor = storage.sql.exec(sql, ...values);
          const rows = cursor.toArray();
          this.#written += cursor.rowsWritten;
          return { ...cursor, toArray: () => rows };
        },
        get databaseSize() {
          return storage.sql.databaseSize;
        },
      },
      transactionSync: (work) => storage.transactionSync(work),
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const of = (name: string): string => searchParams.get(name) ?? "";
    const answers: Record<string, () => Answer> = {
      "/case": () => this.#prove(of("name")),
      "/append": () => this.#append(of("channel"), [of("data")]),
      "/read": () => this.#log.read(of("channel"), {}),
      "/fill": () => this.#append("a", ["x".repeat(Number(of("length")))]),
      "/rows": () => this.#rows(Number(of("commits")), Number(of("each"))),
      "/wipe": () => this.#storage.deleteAll(),
    };
    try {
      return Response.json((await answers[pathname]?.()) ?? null);
    } catch (error) {
      return Response.json({ ...inWords(error), ...(error as object) }, { status: 500 });
    }
  }

  /** Runs one case of the suite. Returns what it failed with, or an empty text. */
  async #prove(name: string): Promise<string> {
    const make = ({ clock }: { clock: ObjectLogClock }) =>
      createObjectLog(this.#storage, { id: this.#id, clock });
    const cases = new Map<string, () => Promise<void>>();
    logSuite(make, { describe: (_, body) => body(), test: (each, body) => cases.set(each, body) });
    try {
      await (cases.get(name) as () => Promise<void>)();
      return "";
    } catch (error) {
      return inWords(error).message;
    }
  }

  #append(channel: string, texts: readonly string[]): Position | undefined {
    let position: Position | undefined;
    for (const data of texts) position = this.#log.append(channel, data, { time: Date.now() });
    this.#log.commit();
    return position;
  }

  /** Commits `each` publications at a time. Returns how many rows that has written. */
  #rows(commits: number, each: number): number {
    const before = this.#written;
    const texts = Array.from({ length: each }, () => JSON.stringify("x".repeat(198)));
    for (let count = 0; count < commits; count++) this.#append("rows", texts);
    return this.#written - before;
  }
}

type ObjectLogClock = NonNullable<Parameters<typeof createObjectLog>[1]["clock"]>;

interface Environment {
  readonly OBJECT: {
    idFromName(name: string): object;
    get(id: object): { fetch(request: Request): Promise<Response> };
  };
}

export default {
  fetch(request: Request, { OBJECT }: Environment): Promise<Response> {
    const name = new URL(request.url).searchParams.get("object") ?? "";
    return OBJECT.get(OBJECT.idFromName(name)).fetch(request);
  },
};
