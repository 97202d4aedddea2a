import type { Subscription } from "../delivery/subscription.ts";
import { Subscriptions } from "../delivery/subscriptions.ts";
import { Tracking } from "../delivery/tracking.ts";
import { BlockedSubscriptions } from "./blocked.ts";

/**
 * The subscriptions of one session, and which of them wait for room in its window, and which are tracked for the
 * ledger. Most sessions have none of either, so these collections are created only when needed.
 */
export class SessionSubscriptions extends Subscriptions {
  #blocked: BlockedSubscriptions | undefined;
  #tracking: Tracking | undefined;

  /** Returns whether other subscriptions wait for room that this one would take. */
  isHeld(subscription: Subscription): boolean {
    return this.#blocked?.holds(subscription) === true;
  }

  /** Makes a subscription wait until the window has room again. */
  block(subscription: Subscription): void {
    this.#blocked ??= new BlockedSubscriptions();
    this.#blocked.add(subscription);
  }

  /** Hands publications to the subscriptions that wait for room. The one that has waited longest comes first. */
  serveBlocked(): void {
    this.#blocked?.serve();
    if (this.#blocked?.size === 0) this.#blocked = undefined;
  }

  get hasBlocked(): boolean {
    return (this.#blocked?.size ?? 0) > 0;
  }

  /** Those that wait for room, in the order in which they will be served. */
  get blocked(): Iterable<Subscription> {
    return this.#blocked ?? [];
  }

  clearBlocked(): void {
    this.#blocked?.clear();
    this.#blocked = undefined;
  }

  /**
   * Tracks a subscription that is sent something that the ledger has an entry for. Returns false if its client has
   * already asked to unsubscribe.
   */
  track(subscription: Subscription): boolean {
    if (subscription.quit !== undefined) return false;
    this.#tracking ??= new Tracking();
    this.#tracking.add(subscription);
    return true;
  }

  untrack(subscription: Subscription): void {
    this.#tracking?.delete(subscription);
    if (this.#tracking?.isEmpty) this.#tracking = undefined;
  }

  /** Reports to the ledger what has been written, or read. */
  report(level: "written" | "read"): void {
    this.#tracking?.tell(level);
    if (this.#tracking?.isEmpty) this.#tracking = undefined;
  }

  /** Whether a pong would free room that a subscription waits for, or would settle an entry of the ledger. */
  get wantProof(): boolean {
    return this.hasBlocked || this.#tracking?.wantsProof === true;
  }

  override delete(subscription: Subscription): void {
    this.untrack(subscription);
    super.delete(subscription);
    this.#blocked?.delete(subscription);
  }
}
