import { printable } from "./printable.ts";

/** Somebody who was not let in: before the upgrade, or before the session was connected. */
export interface Refused {
  /** The HTTP status that was answered, or, from 3000 up, the code that the socket was closed with. */
  code: number;
  /** Why, and what to do about it, in one line that is safe to log. It may say more than the peer is told. */
  reason: string;
  /** The path that was asked for, escaped, where it is known. */
  path?: string | undefined;
  /** The origin of the page, escaped, where that is why. */
  origin?: string | undefined;
}

/** Characters of a text from outside that are told. */
const longest = 200;

/** The same, with every text as one line that only shows. */
export function loggableRefusal({ code, reason, path, origin }: Refused): Refused {
  return {
    code,
    reason: printable(reason),
    ...(path !== undefined && { path: printable(path.slice(0, longest)) }),
    ...(origin !== undefined && { origin: printable(origin.slice(0, longest)) }),
  };
}
