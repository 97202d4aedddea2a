import { connect, type Socket } from "node:net";
import { frame, upgrade } from "../../test/support/tcp.ts";
import { TextFrames } from "./text-frames.ts";

/** What a guest does when it is let in, and when it is on its own again. */
export interface GuestEvents {
  subscribed(guest: Guest): void;
  ended(guest: Guest): void;
}

/** What a server answers or pushes, as far as a guest reads it. */
interface Message {
  readonly id?: number;
  readonly error?: unknown;
  readonly subscribe?: {
    readonly epoch: string;
    readonly offset: number;
    readonly recovered?: boolean;
    readonly publications?: readonly Publication[];
  };
  readonly push?: { readonly pub?: Publication };
}

interface Publication {
  readonly offset: number;
  /** `at` is the time of the publication, in microseconds since 1970, and `~`. */
  readonly data: { readonly at: string };
}

/**
 * A client that speaks the JSON protocol over bare TCP, follows one channel, and counts what is wrong with what it gets. It
 * comes back with its position when it is told to.
 */
export class Guest {
  readonly #name: string;
  readonly #channel: string;
  readonly #events: GuestEvents;
  #socket: Socket | undefined;
  #epoch: string | undefined;
  /** The offset of the last publication that it has. */
  offset = 0;
  missed = 0;
  doubled = 0;
  /** How often it was not given everything from its position on. */
  gaps = 0;
  /** Publications that were made while it was away. */
  late = 0;
  /** When it was let in again, and when it had everything that was published until then. In milliseconds since 1970. */
  back = 0;
  current = 0;

  constructor(name: string, channel: string, events: GuestEvents) {
    this.#name = name;
    this.#channel = channel;
    this.#events = events;
  }

  get channel(): string {
    return this.#channel;
  }

  /** Connects, and subscribes from where it is. */
  enter(port: number): void {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const position = this.#epoch !== undefined && { recover: true, offset: this.offset, epoch: this.#epoch };
    const subscribe = { channel: this.#channel, ...position };
    const hello = `{"id":1,"connect":{}}\n${JSON.stringify({ id: 2, subscribe })}`;
    const frames = new TextFrames((text) => this.#read(text));
    this.#socket = socket;
    socket.on("connect", () => socket.write(upgrade(`/?user=${this.#name}`)));
    socket.on("data", (data) => {
      if (frames.isUpgraded(data)) socket.write(frame(1, hello));
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.back = 0;
      this.#events.ended(this);
    });
  }

  #read(text: string): void {
    for (const line of text.split("\n")) {
      if (line === "{}") this.#socket?.write(frame(1, "{}"));
      else if (line !== "") this.#take(JSON.parse(line) as Message);
    }
  }

  #take({ id, error, subscribe, push }: Message): void {
    if (error !== undefined) throw new Error(`Refused: ${JSON.stringify(error)}`);
    if (push?.pub !== undefined) this.#receive(push.pub);
    if (id !== 2 || subscribe === undefined) return;
    this.back = now();
    this.current = this.back;
    if (this.#epoch === undefined) this.offset = subscribe.offset;
    else if (subscribe.recovered !== true) this.gaps++;
    this.#epoch = subscribe.epoch;
    for (const each of subscribe.publications ?? []) this.#receive(each);
    this.#events.subscribed(this);
  }

  #receive({ offset, data: { at } }: Publication): void {
    if (offset <= this.offset) this.doubled++;
    else {
      this.missed += offset - this.offset - 1;
      this.offset = offset;
    }
    if (Number.parseInt(at, 10) / 1_000 >= this.back) return;
    this.late++;
    this.current = now();
  }
}

/** Milliseconds since 1970, with fractions. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
