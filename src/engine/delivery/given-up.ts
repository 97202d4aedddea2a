import { ClosedError } from "../../model/errors.ts";
import type { Publication } from "../../model/publication.ts";
import type { Undelivered, UndeliveredReason } from "../../model/receipt.ts";
import { publicationOf } from "../core/publications.ts";
import { type Confirmation, WithdrawnError } from "./confirmation.ts";

/** Confirmed publications that were given up, and those that are still on their way into the log. */
export class GivenUp {
  readonly #undelivered: (publication: Publication, reason: UndeliveredReason) => void;
  readonly #underWay = new Set<Confirmation>();
  /** What was given up since closing began; undefined before. */
  #rows: Undelivered[] | undefined;
  #count = 0;

  /** `undelivered` is called with each publication that is given up. */
  constructor(undelivered: (publication: Publication, reason: UndeliveredReason) => void) {
    this.#undelivered = undelivered;
  }

  /** Whether closing has begun. */
  get isClosing(): boolean {
    return this.#rows !== undefined;
  }

  /** Notes a confirmed publication before it is appended. Either `over` or `failed` MUST follow. */
  begin(confirmation: Confirmation): void {
    this.#underWay.add(confirmation);
  }

  /**
   * Forgets a publication that is in the log, or whose append never started: closing began, or its publisher aborted
   * it, before there was room.
   */
  over(confirmation: Confirmation): void {
    this.#underWay.delete(confirmation);
  }

  /**
   * Called when a publication did not get into the log. It is reported if closing ended it, or if it is the ending of a
   * run that is not written again. A publisher that aborted it needs no report.
   */
  failed(confirmation: Confirmation, error: unknown): void {
    if (!this.#underWay.has(confirmation)) return;
    const isEnded = confirmation.content.isEnding && !(error instanceof WithdrawnError);
    if (isEnded || error instanceof ClosedError) this.#unlogged(confirmation);
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

  /** Begins the list of what is given up for the close report. */
  close(): void {
    this.#rows = [];
  }

  /** Gives up what is not in the log. Returns what was given up since closing began, and how many in total. */
  end(): { undelivered: Undelivered[]; givenUp: number } {
    for (const confirmation of [...this.#underWay]) this.#unlogged(confirmation);
    return { undelivered: this.#rows ?? [], givenUp: this.#count };
  }

  clear(): void {
    this.#underWay.clear();
  }
}
