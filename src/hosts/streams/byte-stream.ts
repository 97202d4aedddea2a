/** What a stream tells its owner. */
export interface ByteStreamParts {
  /** Called whenever the runtime has taken everything that was written, and would take more. */
  taken(): void;
  /** Called once, when the stream is over: everything was taken after `end`, the client has left, or it was cut. */
  over(): void;
}

/**
 * The body of a response that is sent as long as it is open.
 *
 * Its queue has no bound of its own: whoever writes to it must count what was not taken. On Node, Bun and Deno a runtime
 * takes no more while its client does not read (after what it and the system buffer, up to 4 MiB on one machine), and
 * cancels the stream when the client leaves or its connection breaks.
 */
export class ByteStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #parts: ByteStreamParts;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #phase: "open" | "ending" | "over" = "open";

  constructor(parts: ByteStreamParts) {
    this.#parts = parts;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        // With this high water mark it is called only when the queue is empty and somebody reads.
        pull: () => this.#pulled(),
        cancel: () => this.#over(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Writes, unless the stream ends. */
  write(bytes: Uint8Array): void {
    if (this.#phase === "open") this.#controller.enqueue(bytes);
  }

  /** Ends the stream once everything was taken. */
  end(bytes: Uint8Array): void {
    if (this.#phase !== "open") return;
    this.#controller.enqueue(bytes);
    this.#phase = "ending";
  }

  /** Ends the stream at once, and drops what was not taken. Its connection breaks. */
  cut(): void {
    if (this.#phase === "over") return;
    this.#controller.error(new Error("The stream was cut"));
    this.#over();
  }

  #pulled(): void {
    if (this.#phase === "open") this.#parts.taken();
    if (this.#phase !== "ending") return;
    this.#controller.close();
    this.#over();
  }

  #over(): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#parts.over();
  }
}
