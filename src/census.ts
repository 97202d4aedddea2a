import type { Limits } from "./settings.ts";

/** How many sessions there are, in all and of each user that has a name. */
export class Census {
  readonly #limits: Limits;
  readonly #users = new Map<string, number>();
  #all = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The limit that one more session of a user's would be over, if any. */
  fullFor(user: string): "sessions" | "userSessions" | undefined {
    if (this.#all >= this.#limits.sessions) return "sessions";
    return this.isFullOf(user) ? "userSessions" : undefined;
  }

  /** Whether a user has as many as one may. */
  isFullOf(user: string): boolean {
    return (this.#users.get(user) ?? 0) >= this.#limits.userSessions;
  }

  enter(user: string): void {
    this.#all++;
    this.#count(user, 1);
  }

  leave(user: string): void {
    this.#all--;
    this.#count(user, -1);
  }

  #count(user: string, change: number): void {
    if (user === "") return;
    const count = (this.#users.get(user) ?? 0) + change;
    if (count === 0) this.#users.delete(user);
    else this.#users.set(user, count);
  }
}
