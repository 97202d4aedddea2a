import type { Context, Env, Handler } from "hono";
import type { ObjectNamespace } from "./platform.ts";

/** Which object a request is for. */
// biome-ignore lint/suspicious/noExplicitAny: the Env of any app has to fit
export interface RouteOptions<E extends Env = any> {
  /**
   * Returns the name of the object, such as the id of the user, the tenant or the room: derive it from who was
   * authenticated, and not from what the client asks for. Or it returns a response, such as a 401; then no object is
   * woken.
   */
  by: (c: Context<E>) => string | Response | Promise<string | Response>;
}

/**
 * Returns a Hono handler for a Worker. It sends the request, and the upgrade to a WebSocket as well, untouched to a
 * `NotifierObject`: the one with the name that `by` returns. `binding` is the name of its namespace in `env`.
 *
 * The handler throws a TypeError if `env` has no such namespace, or if `by` returns no name. The function itself throws a
 * TypeError for invalid arguments.
 *
 * @example
 * ```ts
 * app.get("/notifications", route("NOTIFIER", {
 *   by: (c) => c.get("user") ?? c.text("Unauthorized", 401), // set by your middleware, which has authenticated the user
 * }));
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: the Env of any app has to fit
export function route<E extends Env = any>(binding: string, { by }: RouteOptions<E>): Handler<E> {
  if (typeof binding !== "string" || binding === "")
    throw new TypeError('Cannot route: give the name of the binding first, route("NOTIFIER", { by })');
  if (typeof by !== "function")
    throw new TypeError("Cannot route: give a function by, which returns the name of the object");
  return async (c) => {
    const name = await by(c);
    if (name instanceof Response) return name;
    if (typeof name !== "string" || name === "")
      throw new TypeError("Cannot route: by has to return the name of the object, or a response");
    const namespace = (c.env as Readonly<Record<string, unknown>> | undefined)?.[binding];
    if (typeof (namespace as ObjectNamespace | undefined)?.idFromName !== "function")
      throw new TypeError(
        `Cannot route: env has no Durable Object namespace ${JSON.stringify(binding)}; bind it in wrangler.jsonc`,
      );
    const objects = namespace as ObjectNamespace;
    return objects.get(objects.idFromName(name)).fetch(c.req.raw);
  };
}
