import { urlOf } from "../base/url.ts";

/** Origins of web pages as they are given: one, several, or a function that judges. */
export type Origins<C> = string | readonly string[] | ((origin: string, c: C) => boolean | Promise<boolean>);

/** An origin of another scheme than the web's: `capacitor://localhost`, `chrome-extension://<id>`. */
const foreign = /^(?!https?:|wss?:)[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s*,]+$/;

/**
 * Makes of origins the form in which browsers send them: without a trailing slash or the scheme's own port, in small
 * letters, with names in ASCII. Throws a TypeError for what is none, which says what to write.
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

/** What to write in place of something that is no origin. */
function advice(given: unknown): string {
  if (typeof given !== "string") return 'give a text such as "https://example.com"';
  if (given === "*") return "give a function, () => true, to let the pages of every site connect";
  if (given.includes("*")) return "give a function that judges, since an entry is one origin";
  if (given === "null") return "it is no site's; give a function that judges";
  const asPage = given.replace(/^ws(?=s?:)/i, "http");
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(asPage) ? asPage : `https://${asPage}`;
  const origin = urlOf(whole)?.origin ?? "null";
  return `write ${JSON.stringify(origin === "null" ? "https://example.com" : origin)}, a scheme and a host, without a path`;
}

/**
 * Whether a page comes from the host that was asked; anything that is not written as browsers do comes from none.
 *
 * Both are read under the page's scheme: behind a proxy that ends TLS the request's own is not the page's, and a proxy may
 * write that scheme's own port.
 */
export function isOwn(origin: string, host: string | undefined): boolean {
  const page = /^https?:/i.test(origin) ? urlOf(origin) : undefined;
  if (host === undefined || page === undefined || /[/?#@\\\s]/.test(host)) return false;
  return page.origin === origin.toLowerCase() && page.host === urlOf(`${page.protocol}//${host}`)?.host;
}
