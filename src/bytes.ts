const encoder = new TextEncoder();
const notAscii = /[^\0-\x7f]/;

/**
 * How many bytes a text takes as UTF-8.
 *
 * Encoding is the fastest count on every runtime, but for short ASCII, where the call into the runtime costs more.
 */
export function byteLength(text: string): number {
  if (text.length < 1024 && !notAscii.test(text)) return text.length;
  return encoder.encode(text).length;
}

/** Whether a text takes more bytes than that. A character is three of them at most, so most texts need no count. */
export function exceeds(text: string, most: number): boolean {
  return text.length > most || (text.length * 3 > most && byteLength(text) > most);
}
