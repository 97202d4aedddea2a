import type { Joint } from "./joint.ts";

/** What a session sends with the coming turn, in order: most often one text, or nothing. */
export class Outbox {
  #first: string | undefined;
  #rest: string[] | undefined;

  add(text: string): void {
    if (this.#first === undefined) this.#first = text;
    else if (this.#rest === undefined) this.#rest = [text];
    else this.#rest.push(text);
  }

  /** Takes everything out, as one text. */
  take(joint: Joint): string | undefined {
    const first = this.#first;
    const rest = this.#rest;
    this.clear();
    return first === undefined || rest === undefined ? first : joint.join(first, rest);
  }

  clear(): void {
    this.#first = undefined;
    this.#rest = undefined;
  }
}
