import { ClosedError } from "../../model/errors.ts";
import type { Publication } from "../../model/publication.ts";
import type { Undelivered, UndeliveredReason } from "../../model/receipt.ts";
import { publicationOf } from "../core/publications.ts";
import type { Confirmation } from "./confirmation.ts";

/** Confirmed publications that nobody will receive any more, and those of which nobody knows yet: they are not in the log. */
export class GivenUp {
  readonly #undelivered: (publication: Publication, reason: UndeliveredReason) => void;
  readonly #underWay = new Set<Confirmation>();
  /** What was given up since closing began. */
  #rows: Undelivered[] | undefined;
  #count = 0;

  /** `undelivered` tells whoever wants to hear of each. */
  constructor(undelivered: (publication: Publication, reason: UndeliveredReason) => void) {
    this.#undelivered = undelivered;
  }

  /** Whether closing has begun. */
  get isClosing(): boolean {
    return this.#rows !== undefined;
  }

  /** A confirmed publication is to be appended: one of the next two has to follow. */
  begin(confirmation: Confirmation): void {
    this.#underWay.add(confirmation);
  }

  /** It is in the log, or was never on its way: closing began, or its publisher gave it up, before there was room. */
  over(confirmation: Confirmation): void {
    this.#underWay.delete(confirmation);
  }

  /** It did not get into the log. A publisher who gave it up knows; what closing ended, and a run's ending, is reported. */
  failed(confirmation: Confirmation, error: unknown): void {
    if (!this.#underWay.has(confirmation)) return;
    if (confirmation.content.isEnding || error instanceof ClosedError) this.#unlogged(confirmation);
    else this.over(confirmation);
  }

  #unlogged(confirmation: Confirmation): void {
    this.over(confirmation);
    const { channel, content, time } = confirmation;
    const { data, tags } = content;
    const position = { offset: 0, epoch: "" };
    const publication = publicationOf(channel, "", { offset: 0, data, time, tags });
    this.add({ channel, position, time, level: "none", reason: "unlogged" }, publication);
  }

  add(row: Undelivered, publication: Publication): void {
    this.#count++;
    this.#rows?.push(row);
    this.#undelivered(publication, row.reason);
  }

  /** Closing begins: what is given up from here on is in the report. */
  close(): void {
    this.#rows = [];
  }

  /** Gives up what is not in the log, and answers what was given up since closing began, and how much in all. */
  end(): { undelivered: Undelivered[]; givenUp: number } {
    for (const confirmation of [...this.#underWay]) this.#unlogged(confirmation);
    return { undelivered: this.#rows ?? [], givenUp: this.#count };
  }

  clear(): void {
    this.#underWay.clear();
  }
}
