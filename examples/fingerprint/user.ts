import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

/** What is known of a request that a user makes. */
export interface UserEnv {
  Variables: { user: string };
}

/** Who asks: every browser is a user of its own, known by a cookie that nobody else can guess. */
export function userOf(c: Context): string | undefined {
  const cookie = getCookie(c, "user");
  return cookie !== undefined && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(cookie) ? cookie : undefined;
}

/** Makes a browser a user, unless it is one. */
export const introduce: MiddlewareHandler = async (c, next) => {
  const user = userOf(c) ?? crypto.randomUUID();
  setCookie(c, "user", user, { path: "/", httpOnly: true, sameSite: "Strict", maxAge: 31_536_000 });
  return next();
};

/** Refuses requests of nobody known. */
export const usersOnly: MiddlewareHandler<UserEnv> = async (c, next) => {
  const user = userOf(c);
  if (user === undefined) {
    return c.json({ problem: "This server knows you by a cookie: allow it, and reload the page." }, 401);
  }
  c.set("user", user);
  return next();
};
