import { expect } from "vitest";
import type { Transport } from "../support/stock-client.ts";

/** The error replies of the protocol, by their code. */
export const errors = {
  100: { code: 100, message: "internal server error", temporary: true },
  103: { code: 103, message: "permission denied" },
  104: { code: 104, message: "method not found" },
  105: { code: 105, message: "already subscribed" },
  106: { code: 106, message: "limit exceeded" },
  107: { code: 107, message: "bad request" },
  108: { code: 108, message: "not available" },
  109: { code: 109, message: "token expired" },
  111: { code: 111, message: "too many requests", temporary: true },
  112: { code: 112, message: "unrecoverable position" },
} as const;

/** Returns whether a peer sees which messages were sent together. */
export function hasFrames(transport: Transport): boolean {
  return transport !== "http_stream";
}

/** The members that name a session to the requests of its client. Only streams have them. */
export function sessionOf(transport: Transport): object {
  return transport === "websocket" ? {} : { session: expect.any(String) };
}

/** A publication with its time, which no test knows. */
export function entry(offset: number, data: unknown = offset, more: object = {}): object {
  return { offset, data, time: expect.any(Number), ...more };
}

/** The push of a publication. */
export function pub(channel: string, offset: number, data: unknown = offset, more: object = {}): object {
  return { push: { channel, pub: entry(offset, data, more) } };
}

/** The integers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}

/** The members of every result of a subscribe. */
export const positioned = { recoverable: true, positioned: true };
