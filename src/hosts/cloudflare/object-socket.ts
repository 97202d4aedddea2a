import type { Session, SessionState, Socket } from "../../model/socket.ts";
import { closes } from "../../wire/protocol.ts";
import { type HibernatableSocket, open } from "./platform.ts";

/** Bytes of a state that fit into an attachment of 16 384, with what the platform adds. */
const attachmentBytes = 16_000;

/** What is kept with a socket while its object sleeps. */
export interface Attachment {
  /** The id of the session. */
  readonly id: string;
  /** The session's state as JSON. Omitted if it is too large: then it is in the table. */
  readonly state?: string;
  /** Whether the session may have gone on since. */
  readonly isStale: boolean;
  /** The subprotocol that was agreed on. Omitted if there is none. */
  readonly protocol?: string | undefined;
}

/** What a socket needs of its object. */
export interface Keeper {
  /** Keeps a state that is too large for the socket. Throws if that fails. */
  store(id: string, state: string): void;
  /** Drops such a state. It never throws. */
  discard(id: string): void;
  /** Called when a state has to be kept later, because only the progress of the client has changed. */
  unsettled(socket: ObjectSocket): void;
  /** Called when the session has ended, and its peer is not waited for. */
  left(socket: ObjectSocket): void;
}

/**
 * The socket of a session in an object. It keeps the session's state with it: a new subscription at once, and the
 * client's progress once a second. While there is progress that is not kept, the attachment says so, so that a life that
 * ends without notice leaves nothing that looks exact and is not.
 */
export class ObjectSocket implements Socket {
  readonly answersPings = true;
  readonly raw: HibernatableSocket;
  readonly protocol: string | undefined;
  session: Session | undefined;
  readonly #keeper: Keeper;
  /** Whether the attachment says that the session may have gone on. */
  #isMarked = false;
  /** Whether it has, since the attachment was written. */
  #hasGoneOn = false;
  /** The id of the session, if its state is in the table. */
  #stored: string | undefined;

  constructor(raw: HibernatableSocket, keeper: Keeper, protocol: string | undefined, stored?: string) {
    this.raw = raw;
    this.protocol = protocol;
    this.#keeper = keeper;
    this.#stored = stored;
  }

  send(data: string | Uint8Array): void {
    // The platform throws for a socket that is closing or closed.
    if (this.raw.readyState === open) this.raw.send(data);
  }

  close(code: number, reason: string): void {
    reciprocate(this.raw, code, reason);
    this.forget();
  }

  /**
   * The platform cannot cut a connection. Closing it is all that can be done: a peer that does not answer keeps its half
   * of the socket until it leaves, which wakes nobody.
   */
  terminate(): void {
    this.close(closes.shutdown.code, closes.shutdown.reason);
    this.#keeper.left(this);
  }

  changed(isUrgent: boolean): void {
    if (isUrgent) this.keep(this.#isMarked);
    else if (this.#isMarked) this.#hasGoneOn = true;
    else this.keep(true);
  }

  /** Writes the attachment. `isStale`: the session may go on before the attachment is written again. */
  keep(isStale: boolean): void {
    const state = this.session?.state;
    this.#hasGoneOn = state === undefined;
    if (state === undefined) return;
    if (isStale && !this.#isMarked) this.#keeper.unsettled(this);
    this.#isMarked = isStale;
    this.#write(state, isStale);
  }

  /** Writes what has changed within the last second. Returns whether the attachment is now exact. */
  settle(): boolean {
    if (this.session?.isOpen !== true) return true;
    this.keep(this.#hasGoneOn);
    return !this.#isMarked && !this.#hasGoneOn;
  }

  /** Drops what is kept: the session is over. */
  forget(): void {
    this.raw.serializeAttachment(null);
    this.#isMarked = false;
    this.#discard();
  }

  #write(state: SessionState, isStale: boolean): void {
    const { id } = state;
    const { protocol } = this;
    const text = JSON.stringify(state);
    if (sizeOf(text) > attachmentBytes) {
      this.#keeper.store(id, text);
      this.#stored = id;
      this.raw.serializeAttachment({ id, isStale, protocol } satisfies Attachment);
    } else {
      this.raw.serializeAttachment({ id, isStale, protocol, state: text } satisfies Attachment);
      this.#discard();
    }
  }

  #discard(): void {
    if (this.#stored !== undefined) this.#keeper.discard(this.#stored);
    this.#stored = undefined;
  }
}

/** Bytes of a text as the platform stores it: two for each character, unless all of them need only one. */
function sizeOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that take one byte
  return /^[\x00-\xff]*$/.test(text) ? text.length : 2 * text.length;
}

/** Returns what is kept with a socket, if it is of a session. */
export function attachmentOf(raw: HibernatableSocket): Attachment | undefined {
  const value = raw.deserializeAttachment() as Partial<Attachment> | null;
  return typeof value?.id === "string" ? (value as Attachment) : undefined;
}

/** Closes a socket, or answers its peer's close. The platform refuses some codes that a peer may send. */
export function reciprocate(raw: HibernatableSocket, code: number, reason: string): void {
  try {
    const isLegal = code === 1000 || (code >= 3000 && code < 5000) || code === closes.messageTooBig.code;
    raw.close(isLegal ? code : 1000, isLegal ? reason : "");
  } catch {
    // It is closed.
  }
}
