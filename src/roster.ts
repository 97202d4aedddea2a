import type { LiveSession } from "./session.ts";

const nobody: readonly LiveSession[] = [];

/** The sessions there are, by whose they are. Most have one. */
export class Roster {
  readonly #sessions = new Map<string, LiveSession | Set<LiveSession>>();

  add(session: LiveSession): void {
    const { identity } = session;
    const present = this.#sessions.get(identity);
    if (present === undefined) this.#sessions.set(identity, session);
    else if (present instanceof Set) present.add(session);
    else this.#sessions.set(identity, new Set([present, session]));
  }

  delete(session: LiveSession): void {
    const { identity } = session;
    const present = this.#sessions.get(identity);
    const isLast =
      present instanceof Set ? present.delete(session) && present.size === 0 : present === session;
    if (isLast) this.#sessions.delete(identity);
  }

  /** Those of one user, or the one with that id, the oldest first. */
  of(identity: string): Iterable<LiveSession> {
    const present = this.#sessions.get(identity) ?? nobody;
    return Symbol.iterator in present ? present : [present];
  }

  /** How many a user has. Who has no name is not one user, and has none. */
  countOf(user: string): number {
    const present = this.#sessions.get(user);
    if (present === undefined) return 0;
    return present instanceof Set ? present.size : 1;
  }
}
