import type { LiveSession } from "./session.ts";

const nobody: readonly LiveSession[] = [];

/** The sessions there are, by whose they are. Most have one. */
export class Roster {
  readonly #sessions = new Map<string, LiveSession | readonly LiveSession[]>();

  add(session: LiveSession): void {
    const present = this.of(session.identity);
    this.#sessions.set(session.identity, present.length === 0 ? session : [...present, session]);
  }

  delete(session: LiveSession): void {
    const others = this.of(session.identity).filter((other) => other !== session);
    if (others.length === 0) this.#sessions.delete(session.identity);
    else this.#sessions.set(session.identity, others);
  }

  /** Those of one user, or the one with that id, the oldest first. */
  of(identity: string): readonly LiveSession[] {
    const present = this.#sessions.get(identity) ?? nobody;
    return Array.isArray(present) ? present : [present as LiveSession];
  }
}
