import type { LiveSession } from "./session.ts";

const nobody: readonly LiveSession[] = [];

/** The sessions there are, by whose they are. Most have one. */
export class SessionIndex implements Iterable<LiveSession> {
  readonly #sessions = new Map<string, LiveSession | Set<LiveSession>>();
  /** How many there are in all. */
  size = 0;

  /** Takes a session in as its peer's, until that is taken back: before the peer becomes another. */
  add(session: LiveSession): void {
    const { identity } = session;
    this.size++;
    const present = this.#sessions.get(identity);
    if (present === undefined) this.#sessions.set(identity, session);
    else if (present instanceof Set) present.add(session);
    else this.#sessions.set(identity, new Set([present, session]));
  }

  delete(session: LiveSession): void {
    const { identity } = session;
    const present = this.#sessions.get(identity);
    const isThere = present instanceof Set ? present.delete(session) : present === session;
    if (!isThere) return;
    this.size--;
    if (!(present instanceof Set) || present.size === 0) this.#sessions.delete(identity);
  }

  /** Those of one user, or the one with that id, the oldest first. */
  of(identity: string): Iterable<LiveSession> {
    const present = this.#sessions.get(identity) ?? nobody;
    return Symbol.iterator in present ? present : [present];
  }

  /** Those among which all of a user's are. Who has no name is kept by session. */
  ofUser(user: string): Iterable<LiveSession> {
    return user === "" ? this : this.of(user);
  }

  /** How many a user has. Who has no name is not one user, and has none. */
  countOf(user: string): number {
    const present = this.#sessions.get(user);
    if (present === undefined) return 0;
    return present instanceof Set ? present.size : 1;
  }

  *[Symbol.iterator](): Generator<LiveSession> {
    for (const present of this.#sessions.values()) {
      if (present instanceof Set) yield* present;
      else yield present;
    }
  }
}
