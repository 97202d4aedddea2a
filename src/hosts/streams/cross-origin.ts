import type { Context, Handler } from "hono";
import { type Admission, hasResponse } from "../admission.ts";

/** The methods of a handler, and what it does. */
export interface RequestHandler {
  readonly methods: readonly ("GET" | "POST")[];
  handle(c: Context): Response | Promise<Response>;
}

/**
 * Returns a handler that answers other methods with 405, and browsers that ask before they send a request of another
 * site's page. Pages of origins that are allowed may read every response, refusals included, as they may over a
 * WebSocket.
 */
export function crossOrigin(admission: Admission, { methods, handle }: RequestHandler): Handler {
  const answer = async (c: Context): Promise<Response> => {
    if (c.req.method === "OPTIONS") {
      await admission.checkOrigin(c);
      return c.body(null, 204, {
        "Access-Control-Allow-Methods": methods.join(", "),
        "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Last-Event-ID",
        "Access-Control-Max-Age": "7200",
      });
    }
    if ((methods as readonly string[]).includes(c.req.method)) return handle(c);
    const text = `Cannot answer ${c.req.method}: use ${methods.join(" or ")}`;
    throw admission.refuse(c, 405, `the method is none of ${methods.join(", ")}`, {
      text,
      headers: { Allow: methods.join(", ") },
    });
  };
  return async (c) => {
    const origin = c.req.header("origin");
    const response = await answer(c).catch(responseOf);
    return origin === undefined || response.status === 403 ? response : readable(response, origin);
  };
}

/** Returns the response of an error that has one. Throws any other error. */
function responseOf(error: unknown): Response {
  if (hasResponse(error)) return (error as unknown as { getResponse(): Response }).getResponse();
  throw error;
}

/** Returns a response that a page of another origin may read. */
function readable(response: Response, origin: string): Response {
  const { status, body } = response;
  const headers = new Headers(response.headers);
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Allow-Credentials", "true");
  // Otherwise a page cannot read it, and would come back too early.
  headers.set("Access-Control-Expose-Headers", "Retry-After");
  headers.append("Vary", "Origin");
  return new Response(body, { status, headers });
}
