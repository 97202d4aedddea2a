import { logSuite } from "tocsin/testing";
import { describe as inWords } from "../../src/model/errors.ts";
import { createObjectLog } from "../../src/stores/sqlite/object-log.ts";
import type { ObjectStorage } from "../../src/stores/sqlite/object-port.ts";
import type { SqliteLog } from "../../src/stores/sqlite/sqlite-log.ts";

/** A worker whose objects test the log on their own storage. `?object=` of a request names its object. */

interface State {
  readonly id: object;
  readonly storage: ObjectStorage;
}

type Answer = unknown | Promise<unknown>;

export class LogObject {
  readonly #storage: ObjectStorage;
  readonly #id: string;
  readonly #log: SqliteLog;

  constructor({ id, storage }: State) {
    this.#storage = storage;
    this.#id = String(id);
    this.#log = createObjectLog(storage, { id: this.#id });
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const of = (name: string): string => searchParams.get(name) ?? "";
    const answers: Record<string, () => Answer> = {
      "/case": () => this.#prove(of("name")),
      "/append": () => this.#append(of("channel"), of("data")),
      "/read": () => this.#log.read(of("channel"), {}),
    };
    return Response.json(await answers[pathname]?.());
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

  #append(channel: string, data: string): Answer {
    const position = this.#log.append(channel, data, { time: Date.now() });
    this.#log.commit();
    return position;
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
