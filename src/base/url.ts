/**
 * Reads a URL; undefined for what is none.
 *
 * Not by `URL.canParse`: once V8 has optimised a call of it, Node 20 and 22 say no to every letter from é to ÿ.
 */
export function urlOf(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
