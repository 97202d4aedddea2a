import type { Notifier } from "../engine/notifier/notifier.ts";
import type { Peer } from "../model/peer.ts";
import type { Session } from "../model/socket.ts";

/** The client's end of a connection without a network. */
export interface Pipe {
  /** The notifier's end. */
  readonly session: Session;
  /** Everything that the client has read so far, in order, except pings. */
  readonly received: unknown[];
  /** How many frames were sent to the client, read or not. */
  readonly frames: number;
  /** Characters that were sent to the client and not read yet. */
  readonly waiting: number;
  /** The code and reason with which the notifier closed the connection; undefined until then. */
  readonly closed: { code: number; reason: string } | undefined;
  /** Whether the notifier cut the connection instead of closing it. */
  readonly cut: boolean;
  /** Sends commands as one frame. Strings are sent as they are. */
  send(...commands: (object | string)[]): void;
  /** Returns what was received, and empties `received`. */
  take(): unknown[];
  /** Stops reading: nothing is received or answered, as with a peer that hangs. */
  stall(): void;
  /** Resumes reading, with what was sent in the meantime first. */
  resume(): void;
  /** Ends the connection from the client's end, without a closing handshake. Default of `code`: 1006. */
  drop(code?: number): void;
}

/** The options of a pipe. */
export interface PipeOptions {
  /** The peer that connects. Default: an anonymous user who is authorized for everything. */
  peer?: Peer | undefined;
  /** Whether the client answers when the notifier closes the connection. Default: true. */
  answersClose?: boolean | undefined;
}

/**
 * Connects to a notifier without a network. The client reads at once, answers pings, and keeps what it received.
 *
 * @example
 * ```ts
 * const client = pipe(notifier);
 * client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "news" } });
 * await clock.settle();
 * client.received; // the replies
 * ```
 */
export function pipe(notifier: Notifier, options: PipeOptions = {}): Pipe {
  const { peer = { user: "", authorize: () => true }, answersClose = true } = options;
  const received: unknown[] = [];
  const unread: string[] = [];
  let frames = 0;
  let stalled = false;
  let reading = false;
  let closed: Pipe["closed"];
  let cut = false;

  function read(): void {
    reading = false;
    while (!stalled && unread.length > 0) {
      for (const line of (unread.shift() as string).split("\n")) {
        const message: unknown = JSON.parse(line);
        if (line === "{}") session.receive("{}");
        else received.push(message);
      }
    }
    if (!stalled && closed !== undefined && answersClose) session.ended(closed.code);
  }

  /** Reads in a microtask: like a network, a pipe never calls back into the sender. */
  function readSoon(): void {
    if (reading || stalled) return;
    reading = true;
    queueMicrotask(read);
  }

  const session = notifier.accept(
    {
      send(data) {
        if (closed !== undefined) return;
        frames++;
        unread.push(data as string);
        readSoon();
      },
      close(code, reason) {
        closed ??= { code, reason };
        readSoon();
      },
      terminate() {
        cut = true;
        session.ended(1006);
      },
    },
    peer,
  );

  return {
    session,
    received,
    get frames() {
      return frames;
    },
    get waiting() {
      return unread.reduce((sum, frame) => sum + frame.length, 0);
    },
    get closed() {
      return closed;
    },
    get cut() {
      return cut;
    },
    send(...commands) {
      session.receive(
        commands.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("\n"),
      );
    },
    take: () => received.splice(0),
    stall() {
      stalled = true;
    },
    resume() {
      stalled = false;
      readSoon();
    },
    drop(code = 1006) {
      session.ended(code);
    },
  };
}
