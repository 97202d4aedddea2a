import { urlOf } from "../base/url.ts";

/** Origins of web pages: one, several, or a function that decides. */
export type Origins<C> = string | readonly string[] | ((origin: string, c: C) => boolean | Promise<boolean>);

/** An origin whose scheme is not of the web: `capacitor://localhost`, `chrome-extension://<id>`. */
const foreign = /^(?!https?:|wss?:)[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s*,]+$/;

/**
 * Returns origins in the form in which browsers send them: without a trailing slash or the scheme's default port, in
 * lower case, and with host names in ASCII. Throws a TypeError for an invalid origin. The error says what to write.
 */
export function originsOf(given: string | readonly string[]): ReadonlySet<string> {
  if (typeof given !== "string" && !Array.isArray(given)) {
    throw new TypeError(
      `Cannot use origins: give a text, a list of texts or a function, not ${inWords(given)}`,
    );
  }
  return new Set([given].flat().map(originOf));
}

function originOf(given: unknown): string {
  if (typeof given === "string") {
    const text = given.trim().toLowerCase().replace(/\/$/, "");
    if (foreign.test(text)) return text;
    const url = /^https?:\/\/[^/?#@\\\s*,]+$/.test(text) ? urlOf(text) : undefined;
    if (url !== undefined) return url.origin;
  }
  throw new TypeError(`Cannot use origin ${inWords(given)}: ${advice(given)}`);
}

function inWords(given: unknown): string {
  return typeof given === "string" ? JSON.stringify(given.slice(0, 200)) : String(given);
}

/** Returns what to write instead of an invalid origin. */
function advice(given: unknown): string {
  if (typeof given !== "string") return 'give a text such as "https://example.com"';
  if (given === "*") return "give a function, () => true, to let the pages of every site connect";
  if (given.includes("*")) return "give a function that decides, since an entry is one origin";
  if (given === "null") return "it is not of one site; give a function that decides";
  const asPage = given.replace(/^ws(?=s?:)/i, "http");
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(asPage) ? asPage : `https://${asPage}`;
  const origin = urlOf(whole)?.origin ?? "null";
  return `write ${JSON.stringify(origin === "null" ? "https://example.com" : origin)}, a scheme and a host, without a path`;
}

/**
 * Returns whether a page comes from the host of the request. Returns false for an origin that no browser would write.
 *
 * Both are parsed with the page's scheme: behind a proxy that terminates TLS, the request has another scheme than the
 * page, and the proxy may add the default port of the page's scheme to `Host`.
 */
export function isOwn(origin: string, host: string | undefined): boolean {
  const page = /^https?:/i.test(origin) ? urlOf(origin) : undefined;
  if (host === undefined || page === undefined || /[/?#@\\\s]/.test(host)) return false;
  return page.origin === origin.toLowerCase() && page.host === urlOf(`${page.protocol}//${host}`)?.host;
}
