import type { Session, SessionState, Socket } from "../../model/socket.ts";
import { closes } from "../../wire/protocol.ts";
import type { HibernatableSocket } from "./platform.ts";
import type { SessionTable } from "./session-table.ts";

const open = 1;
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
}

/** What a socket needs of its object. */
export interface Keeper {
  readonly table: SessionTable;
  /** Called when a state has to be kept later, because only the progress of the client has changed. */
  unsettled(socket: ObjectSocket): void;
}

/**
 * The socket of a session in an object. It keeps the session's state with it: a new subscription at once, and the
 * client's progress once a second. While there is progress that is not kept, the attachment says so, so that a life that
 * ends without notice leaves nothing that looks exact and is not.
 */
export class ObjectSocket implements Socket {
  readonly answersPings = true;
  readonly raw: HibernatableSocket;
  session: Session | undefined;
  readonly #keeper: Keeper;
  /** Whether the attachment says that the session may have gone on. */
  #isMarked = false;
  /** Whether it has, since the attachment was written. */
  #hasGoneOn = false;
  #isSpilled: boolean;

  constructor(raw: HibernatableSocket, keeper: Keeper, isSpilled = false) {
    this.raw = raw;
    this.#keeper = keeper;
    this.#isSpilled = isSpilled;
  }

  send(data: string | Uint8Array): void {
    // The platform throws for a socket that is closing or closed.
    if (this.raw.readyState === open) this.raw.send(data);
  }

  close(code: number, reason: string): void {
    this.forget();
    reciprocate(this.raw, code, reason);
  }

  /** The platform cannot cut a connection. Closing it is all that can be done. */
  terminate(): void {
    this.close(closes.shutdown.code, closes.shutdown.reason);
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
    if (this.#isSpilled && this.session !== undefined) this.#keeper.table.delete(this.session.id);
    this.#isSpilled = false;
    this.#isMarked = false;
    this.raw.serializeAttachment(null);
  }

  #write(state: SessionState, isStale: boolean): void {
    const { id } = state;
    const text = JSON.stringify(state);
    const isLarge = sizeOf(text) > attachmentBytes;
    if (isLarge) this.#keeper.table.put(id, text);
    else if (this.#isSpilled) this.#keeper.table.delete(id);
    this.#isSpilled = isLarge;
    const attachment: Attachment = isLarge ? { id, isStale } : { id, isStale, state: text };
    this.raw.serializeAttachment(attachment);
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

/** Closes a socket, or answers its peer's close. The platform refuses some codes that a peer may send, and a second close. */
export function reciprocate(raw: HibernatableSocket, code: number, reason: string): void {
  try {
    const isLegal = code === 1000 || (code >= 3000 && code < 5000) || code === closes.messageTooBig.code;
    raw.close(isLegal ? code : 1000, isLegal ? reason : "");
  } catch {
    // It is closed.
  }
}
