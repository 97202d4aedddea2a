import type { Scope } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { Limits } from "../core/limits.ts";
import { ConfirmCapacity, type Taken } from "./confirm-capacity.ts";
import type { Confirmation, Content } from "./confirmation.ts";

/** What admission needs of the ledger. */
export interface AdmissionParts {
  readonly limits: Readonly<Limits>;
  readonly scope: Scope;
  /** Returns what the confirmed publications of a channel take now. */
  taken(channel: string): Taken | undefined;
  /** Returns where to count those of a channel, from now on. */
  open(channel: string): Taken;
  /** Called when a publisher waits for room. */
  waits(): void;
}

/**
 * The capacity for confirmed publications that wait, also on their way into the log. Endings of runs have their own, and
 * never wait for it.
 */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #capacity: ConfirmCapacity;
  readonly #endings: ConfirmCapacity;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#capacity = new ConfirmCapacity(parts.limits);
    this.#endings = new ConfirmCapacity(parts.limits);
  }

  /** What waits to be confirmed now, including what is on its way into the log. */
  get taken(): Taken {
    const [one, other] = [this.#capacity, this.#endings];
    return { confirmed: one.confirmed + other.confirmed, bytes: one.bytes + other.bytes };
  }

  get isWaitedFor(): boolean {
    return this.#capacity.isWaitedFor;
  }

  /** Whether more endings of runs wait than the limits allow. */
  get hasTooManyEndings(): boolean {
    return this.#endings.isOver;
  }

  of({ isEnding }: Content): ConfirmCapacity {
    return isEnding ? this.#endings : this.#capacity;
  }

  /** Waits until a confirmed publication may be appended. Returns undefined if it may be at once. */
  admit({ channel, content, signal }: Confirmation, isClosing: boolean): Promise<void> | undefined {
    const { scope, open, waits } = this.#parts;
    const room = this.of(content);
    const { bytes } = content;
    const taken = (): Taken | undefined => this.#parts.taken(channel);
    const take = (): void => room.take(open(channel), bytes);
    if (content.isEnding || room.fits(taken(), bytes)) {
      take();
      return undefined;
    }
    if (isClosing) return Promise.reject(closed("publish"));
    const owner = `room for a confirmed publication to ${channel}`;
    return scope.wait<void>(owner, signal, (settle) => {
      const undo = room.wait({ bytes, taken, take, settle });
      waits();
      return undo;
    });
  }

  /** Rejects all publishers that wait. */
  refuse(): void {
    this.#capacity.refuse(closed("publish"));
  }

  clear(): void {
    this.#capacity.clear();
    this.#endings.clear();
  }
}
