import type { Context } from "hono";

/** What a stream tells its owner. */
export interface ByteStreamParts {
  /** Called whenever the runtime has taken everything that was written, and would take more. */
  taken(): void;
  /** Called once, when the stream is over: everything was taken after `end`, the client has left, or it was cut. */
  over(): void;
  /** Breaks the connection of the response. Undefined where only an error of its body does that. */
  readonly destroy?: (() => void) | undefined;
}

/**
 * Returns what breaks the connection of a response on Node. An error of the body does it, too, but the adapter prints it
 * as if something had failed.
 */
export function destroyerOf(c: Context): (() => void) | undefined {
  const outgoing = (c.env as { outgoing?: { destroy?(): void } } | undefined)?.outgoing;
  return typeof outgoing?.destroy === "function" ? () => outgoing.destroy?.() : undefined;
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
    // Without a reason: Bun prints any other, and Deno calls the server's error hook with it.
    if (this.#parts.destroy === undefined) this.#controller.error();
    else this.#parts.destroy();
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
