/**
 * Parses a URL. Returns undefined if the string is not a URL.
 *
 * `URL.canParse` is not used: once V8 has optimised a call of it, Node 20 and 22 return false for every letter from é
 * to ÿ.
 */
export function urlOf(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
