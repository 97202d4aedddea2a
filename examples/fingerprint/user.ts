import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

/** The context variables of a request by a user. */
export interface UserEnv {
  Variables: { user: string };
}

/** Returns the user of a request. Each browser is a separate user, identified by a cookie that nobody can guess. */
export function userOf(c: Context): string | undefined {
  const cookie = getCookie(c, "user");
  return cookie !== undefined && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(cookie) ? cookie : undefined;
}

/** Gives a browser a user cookie, or renews the cookie. */
export const introduce: MiddlewareHandler = async (c, next) => {
  const user = userOf(c) ?? crypto.randomUUID();
  setCookie(c, "user", user, { path: "/", httpOnly: true, sameSite: "Strict", maxAge: 31_536_000 });
  return next();
};

/** Refuses requests without a user cookie. */
export const usersOnly: MiddlewareHandler<UserEnv> = async (c, next) => {
  const user = userOf(c);
  if (user === undefined) {
    return c.json({ problem: "This server knows you by a cookie: allow it, and reload the page." }, 401);
  }
  c.set("user", user);
  return next();
};
