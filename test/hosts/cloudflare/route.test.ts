import { type Context, Hono } from "hono";
import { describe, expect, test } from "vitest";
import { route } from "../../../src/hosts/cloudflare/route.ts";

/** A namespace whose objects answer with their name and what they were sent. */
function namespace() {
  const requests: Request[] = [];
  return {
    requests,
    idFromName: (name: string) => ({ name }),
    get: ({ name }: { name: string }) => ({
      fetch: async (request: Request) => {
        requests.push(request);
        return new Response(`${name}: ${await request.text()}`);
      },
    }),
  };
}

const named = (c: Context) => c.req.query("user") ?? c.text("Unauthorized", 401);

describe("a route", () => {
  test("sends the request itself to the object that by names", async () => {
    const objects = namespace();
    const app = new Hono().all("/*", route("N", { by: named }));
    const request = new Request("http://localhost/x?user=ann", { method: "POST", body: "hello" });
    const response = await app.fetch(request, { N: objects });
    expect(await response.text()).toBe("ann: hello");
    expect(objects.requests[0]).toBe(request);
  });

  test("answers with the response of by, and wakes no object", async () => {
    const objects = namespace();
    const app = new Hono().all("/*", route("N", { by: async (c) => named(c) }));
    const response = await app.fetch(new Request("http://localhost/"), { N: objects });
    expect([response.status, objects.requests]).toEqual([401, []]);
  });

  const faults: [string, object | undefined, () => unknown, string][] = [
    ["no name", { N: namespace() }, () => "", "by has to return the name of the object"],
    ["nothing", { N: namespace() }, () => undefined, "by has to return the name of the object"],
    ["no binding", {}, () => "ann", 'no Durable Object namespace "N"; bind it in wrangler.jsonc'],
    ["another binding", { N: "text" }, () => "ann", 'no Durable Object namespace "N"'],
    ["no env", undefined, () => "ann", 'no Durable Object namespace "N"'],
  ];
  test.each(faults)("says what to do for %s", async (_, env, by, message) => {
    const errors: Error[] = [];
    const app = new Hono().all("/*", route("N", { by: by as () => string }));
    app.onError((error, c) => {
      errors.push(error);
      return c.text("failed", 500);
    });
    await app.fetch(new Request("http://localhost/"), env);
    expect(errors).toEqual([expect.objectContaining({ name: "TypeError" })]);
    expect(errors[0]?.message).toContain(message);
  });

  test("refuses arguments with which it cannot work", () => {
    expect(() => route("", { by: () => "a" })).toThrow('route("NOTIFIER", { by })');
    expect(() => route({} as string, { by: () => "a" })).toThrow(TypeError);
    expect(() => route("N", {} as { by: () => string })).toThrow("give a function by");
  });
});
