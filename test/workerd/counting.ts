/** The part of an object's storage that is used here. */
interface State {
  readonly storage: {
    get(name: string): Promise<number | undefined>;
    put(name: string, value: number): Promise<void>;
  };
}

interface Env {
  readonly COUNTING: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(url: string): Promise<Response> };
  };
}

/** Counts requests, in memory and in its storage. */
export class Counting {
  readonly #state: State;
  #inMemory = 0;

  constructor(state: State) {
    this.#state = state;
  }

  async fetch(): Promise<Response> {
    const stored = ((await this.#state.storage.get("count")) ?? 0) + 1;
    await this.#state.storage.put("count", stored);
    this.#inMemory += 1;
    return Response.json([this.#inMemory, stored]);
  }
}

export default {
  fetch: ({ url }: Request, { COUNTING }: Env): Promise<Response> =>
    COUNTING.get(COUNTING.idFromName("one")).fetch(url),
};
