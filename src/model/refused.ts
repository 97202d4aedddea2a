/** A connection that was refused: before the upgrade, or before its session was connected. */
export interface Refused {
  /** The HTTP status of the response, or, from 3000 on, the code that the socket was closed with. */
  code: number;
  /** Why, and what to do about it, in one line that is safe to log. It may contain more than the client receives. */
  reason: string;
  /** The requested path, escaped. Omitted if it is not known. */
  path?: string | undefined;
  /** The origin of the page, escaped, if the connection was refused because of it. */
  origin?: string | undefined;
}
