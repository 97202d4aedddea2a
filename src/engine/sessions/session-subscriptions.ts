import type { Subscription } from "../delivery/subscription.ts";
import { Subscriptions } from "../delivery/subscriptions.ts";
import { Tracking } from "../delivery/tracking.ts";
import { BlockedSubscriptions } from "./blocked.ts";

/**
 * The subscriptions of one session: which of them wait for room in its window, and which are being sent something that the
 * ledger waits for. For most sessions at most times there are none of either, so what holds them is made when it is needed.
 */
export class SessionSubscriptions extends Subscriptions {
  #blocked: BlockedSubscriptions | undefined;
  #tracking: Tracking | undefined;

  /** Whether others wait for room that a subscription would take. */
  isHeld(subscription: Subscription): boolean {
    return this.#blocked?.holds(subscription) === true;
  }

  /** A subscription waits until the window has room again. */
  block(subscription: Subscription): void {
    this.#blocked ??= new BlockedSubscriptions();
    this.#blocked.add(subscription);
  }

  /** Hands on to those that wait for room, the one that has waited longest first. */
  serveBlocked(): void {
    this.#blocked?.serve();
    if (this.#blocked?.size === 0) this.#blocked = undefined;
  }

  clearBlocked(): void {
    this.#blocked?.clear();
    this.#blocked = undefined;
  }

  /** The ledger waits for something that a subscription is sent. Returns false where its client has ended it already. */
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

  /** Whether a pong would free room that is waited for, or tell the ledger something. */
  get wantProof(): boolean {
    return (this.#blocked?.size ?? 0) > 0 || this.#tracking?.wantsProof === true;
  }

  override delete(subscription: Subscription): void {
    this.untrack(subscription);
    super.delete(subscription);
    this.#blocked?.delete(subscription);
  }
}
