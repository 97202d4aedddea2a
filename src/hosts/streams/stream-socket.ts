import type { Session, Socket } from "../../model/socket.ts";
import { ByteStream, type ByteStreamParts } from "./byte-stream.ts";

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
  readonly destroy: ByteStreamParts["destroy"];
}

/**
 * A socket over the body of a response. Its client sends by posts.
 *
 * What the runtime has not taken counts in the session's window, because no pong can have come for it.
 */
export class StreamSocket implements Socket {
  readonly secret: string;
  readonly #parts: StreamParts;
  readonly #stream: ByteStream;
  #session: Session | undefined;
  #isOver = false;

  constructor(parts: StreamParts) {
    this.secret = parts.secret;
    this.#parts = parts;
    this.#stream = new ByteStream({
      taken() {},
      over: () => this.#over(),
      destroy: parts.destroy,
    });
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#stream.body;
  }

  /** Sets the session, which is told of the stream's end. */
  attach(session: Session): void {
    this.#session = session;
    if (this.#isOver) session.ended();
  }

  send(data: string): void {
    this.#stream.write(this.#parts.frame(data));
  }

  close(code: number, reason: string): void {
    this.#stream.end(this.#parts.close(code, reason));
  }

  terminate(): void {
    this.#stream.cut();
  }

  #over(): void {
    this.#isOver = true;
    this.#parts.over();
    this.#session?.ended();
  }
}
