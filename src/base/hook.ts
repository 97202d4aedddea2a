import { handled } from "./maybe-promise.ts";

/**
 * Calls something of the user's that nobody waits for. What it throws, or rejects with later, goes to `failed`, once:
 * left alone, a rejection would end the process.
 */
export function attended(call: () => unknown, failed: (error: unknown) => void): void {
  handled(call, () => {}, failed);
}
