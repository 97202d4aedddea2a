import { expect, test } from "vitest";
import { urlOf } from "../../src/base/url.ts";

test("a URL is parsed, and an invalid one is undefined", () => {
  expect(urlOf("https://example.com/a?b#c")?.href).toBe("https://example.com/a?b#c");
  for (const none of ["", "example.com", "http://", "http://a b"]) expect(urlOf(none)).toBeUndefined();
});

test("letters beyond ASCII are parsed, also after many calls", () => {
  let unread = 0;
  for (let n = 0; n < 100_000; n++)
    if (urlOf(n % 2 === 0 ? "http://m\u00fcnchen.example/" : "http://a.example/") === undefined) unread++;
  expect(unread).toBe(0);
});
