const encoder = new TextEncoder();
/** Where short texts are encoded to be counted. Nobody looks at it, and nothing is allocated for it. */
const scratch = new Uint8Array(16_384);

/** How many bytes a text takes as UTF-8. To encode it is the fastest count on every runtime. */
export function byteLength(text: string): number {
  // A character takes three bytes at most.
  if (text.length * 3 <= scratch.length) return encoder.encodeInto(text, scratch).written;
  return encoder.encode(text).length;
}

/** What tags take, names included, in bytes. */
export function tagBytes(tags: Readonly<Record<string, string>> | undefined): number {
  return tags === undefined ? 0 : byteLength(Object.entries(tags).flat().join(""));
}

/** Whether a text takes more bytes than that. A character is three of them at most, so most texts need no count. */
export function exceeds(text: string, most: number): boolean {
  return text.length > most || (text.length * 3 > most && byteLength(text) > most);
}

/** Cuts a text to at most so many UTF-16 code units, never between the two halves of a character: JSON of a half is no text. */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  const last = text.charCodeAt(most - 1);
  const isHigh = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHigh ? most - 1 : most);
}
