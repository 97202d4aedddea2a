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
