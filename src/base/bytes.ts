const encoder = new TextEncoder();
/**
 * The buffer that short strings are encoded into to be measured, so that nothing is allocated. Its content is never
 * read.
 */
const scratch = new Uint8Array(16_384);

/**
 * Returns the length of a string in UTF-8 bytes. Encoding the string is the fastest way to measure it on every runtime.
 */
export function byteLength(text: string): number {
  // A UTF-16 code unit takes at most three bytes of UTF-8.
  if (text.length * 3 <= scratch.length) return encoder.encodeInto(text, scratch).written;
  return encoder.encode(text).length;
}

/** Returns the size of tags in UTF-8 bytes, names included. */
export function tagBytes(tags: Readonly<Record<string, string>> | undefined): number {
  return tags === undefined ? 0 : byteLength(Object.entries(tags).flat().join(""));
}

/**
 * Returns whether a string is longer than `max` UTF-8 bytes. A UTF-16 code unit takes one to three bytes, so most
 * strings need not be measured.
 */
export function exceeds(text: string, max: number): boolean {
  return text.length > max || (text.length * 3 > max && byteLength(text) > max);
}

/**
 * Cuts a string to at most `max` UTF-16 code units. It never cuts a surrogate pair in two: a lone surrogate is not
 * valid text in JSON.
 */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  const isHigh = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHigh ? max - 1 : max);
}
