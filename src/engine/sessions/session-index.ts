import type { LiveSession } from "./session.ts";

const none: readonly LiveSession[] = [];

/**
 * All sessions, indexed by identity: the user, or the session's id if there is no user. Most users have one session, so
 * a set is created only for the second.
 */
export class SessionIndex implements Iterable<LiveSession> {
  readonly #sessions = new Map<string, LiveSession | Set<LiveSession>>();
  /** The number of all sessions. */
  size = 0;

  /** Adds a session under its current identity. Call `delete` before the identity changes. */
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

  /** Returns the sessions of one user, or the session with that id, the oldest first. */
  of(identity: string): Iterable<LiveSession> {
    const present = this.#sessions.get(identity) ?? none;
    return Symbol.iterator in present ? present : [present];
  }

  /** Returns sessions that include all sessions of a user. The user "" is not indexed, so it returns all sessions. */
  ofUser(user: string): Iterable<LiveSession> {
    return user === "" ? this : this.of(user);
  }

  /** Returns the number of a user's sessions. The user "" stands for many anonymous clients, and always has 0. */
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
