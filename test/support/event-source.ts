/** An event of a stream of events, as the HTML standard reads it. */
export interface StreamEvent {
  /** Default: "message". */
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** Reads until the stream ends, or its reader is cancelled. */
export async function* chunksOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read())
    if (value !== undefined) yield value;
}

/** Reads the events of a response until it ends. `noted` is called with an id that came without data. */
export async function* eventsOf(
  body: AsyncIterable<Uint8Array>,
  noted: (id: string) => void = () => {},
): AsyncGenerator<StreamEvent, void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  let [type, data, id] = ["", [] as string[], ""];
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() as string;
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { type: type || "message", data: data.join("\n"), lastEventId: id };
        else if (id !== "") noted(id);
        [type, data] = ["", []];
        continue;
      }
      const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) as unknown as [
        string,
        string,
        string?,
      ];
      if (name === "event") type = value;
      else if (name === "data") data.push(value);
      else if (name === "id") id = value;
    }
  }
}

/** The part of an `EventSource` that the stock client uses. Not every runtime has one. */
export class EventSource {
  onopen: () => void = () => {};
  onerror: (error: unknown) => void = () => {};
  onmessage: (event: StreamEvent) => void = () => {};
  readonly #controller = new AbortController();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(url: string) {
    this.#read(url).catch((error: unknown) => {
      if (!this.#controller.signal.aborted) this.onerror(error);
    });
  }

  async #read(url: string): Promise<void> {
    const headers = { Accept: "text/event-stream" };
    const response = await fetch(url, { headers, signal: this.#controller.signal });
    if (!response.ok || response.body === null) throw new Error(`Answered ${response.status}`);
    this.onopen();
    this.#reader = response.body.getReader();
    for await (const event of eventsOf(chunksOf(this.#reader))) this.onmessage(event);
    throw new Error("The stream has ended");
  }

  close(): void {
    // On Deno some streams outlive the abort of their request.
    this.#reader?.cancel().catch(() => {});
    this.#controller.abort();
  }
}
