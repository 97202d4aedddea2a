import type { Position } from "../../src/model/log.ts";

/** What was really appended, by channel and epoch, in order of offset. */
export class Truth {
  readonly texts = new Map<string, string[]>();
  /** The publications with a serial number, so that a duplicate is found at once. */
  readonly #numbered = new Set<string>();

  /** Records an append that the log has answered. A repeated append is already recorded, unchanged. */
  record(channel: string, data: string, { epoch, offset }: Position): void {
    const key = `${channel} ${epoch}`;
    const known = this.texts.get(key) ?? [];
    this.texts.set(key, known);
    if (offset <= known.length) return;
    if (offset !== known.length + 1) throw new Error(`The log gave ${key} a wrong offset`);
    known.push(data);
    if (!data.includes('"serial":')) return;
    if (this.#numbered.has(`${key} ${data}`)) throw new Error(`${key} has ${data} twice`);
    this.#numbered.add(`${key} ${data}`);
  }

  /** Returns whether a channel ever held a numbered publication. */
  holds(channel: string, data: string): boolean {
    return [...this.texts.keys()].some(
      (key) => key.startsWith(`${channel} `) && this.#numbered.has(`${key} ${data}`),
    );
  }
}
