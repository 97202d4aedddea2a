import { handled } from "./maybe-promise.ts";

/**
 * Calls a user's function whose result is not awaited. If the function throws or rejects, `failed` is called once with
 * the error. An unhandled rejection would end the process.
 */
export function attended(call: () => unknown, failed: (error: unknown) => void): void {
  handled(call, () => {}, failed);
}
