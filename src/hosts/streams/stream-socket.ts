import type { Session, Socket } from "../../model/socket.ts";

/** How texts become bytes of a stream. */
export interface StreamFormat {
  /** Encodes a frame of the session. */
  frame(text: string): Uint8Array;
  /** Encodes what takes the place of a close frame. */
  close(code: number, reason: string): Uint8Array;
}

/** What a stream is created from. */
export interface StreamParts extends StreamFormat {
  /** By what the client's posts name the session. */
  readonly secret: string;
  /** Called once the stream is over, for any reason. */
  over(): void;
}

/**
 * A socket over a response that is sent as long as the session lives.
 *
 * The stream holds what the session has in flight: bytes that the runtime has not taken count in the session's window,
 * because no pong can have come for them. So its queue never needs a bound of its own.
 */
export class StreamSocket implements Socket {
  readonly secret: string;
  readonly body: ReadableStream<Uint8Array>;
  readonly #parts: StreamParts;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #session: Session | undefined;
  #phase: "open" | "closing" | "over" = "open";
  /** The code with which the stream ended before there was a session. */
  #ended: { code: number | undefined } | undefined;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.secret = parts.secret;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        // With this high water mark the runtime pulls only when it has taken everything.
        pull: () => {
          if (this.#phase === "closing") this.#finish();
        },
        // The client has left, or its connection broke.
        cancel: () => this.#end(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Sets the session, which is told of the stream's end. */
  attach(session: Session): void {
    this.#session = session;
    if (this.#ended !== undefined) session.ended(this.#ended.code);
  }

  send(data: string): void {
    if (this.#phase === "open") this.#controller.enqueue(this.#parts.frame(data));
  }

  close(code: number, reason: string): void {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    this.#controller.enqueue(this.#parts.close(code, reason));
  }

  terminate(): void {
    if (this.#phase === "over") return;
    this.#controller.error(new Error("The stream was cut"));
    this.#end();
  }

  /** Ends a stream from which everything has been taken. */
  #finish(): void {
    this.#controller.close();
    this.#end();
  }

  #end(code?: number): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#ended = { code };
    this.#parts.over();
    this.#session?.ended(code);
  }
}
