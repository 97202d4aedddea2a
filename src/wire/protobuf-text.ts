/**
 * Writes Protobuf as text in which each character stands for one byte. Such texts are joined, cut and compared as JSON
 * texts are, and the engines keep them in one byte a character.
 */

/** The wire types of fields that are used here. */
const varintType = 0;
const bytesType = 2;

const encoder = new TextEncoder();
/** Maximum number of arguments of one call. */
const batch = 4_096;

/** Returns a number from 0 up as a varint. */
export function varint(value: number): string {
  if (value < 128) return String.fromCharCode(value);
  let text = "";
  let rest = value;
  while (rest >= 128) {
    text += String.fromCharCode((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return text + String.fromCharCode(rest);
}

/** Returns the UTF-8 bytes of a text. */
export function utf8(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that take one byte
  return /^[\x00-\x7f]*$/.test(text) ? text : latin(encoder.encode(text));
}

function latin(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += batch)
    text += String.fromCharCode(...bytes.subarray(at, at + batch));
  return text;
}

/** Returns a message, or other bytes, with its length before it. */
export function delimited(bytes: string): string {
  return varint(bytes.length) + bytes;
}

/** Returns a field that holds a message, or other bytes. */
export function bytesField(number: number, bytes: string): string {
  return varint(number * 8 + bytesType) + delimited(bytes);
}

/** Returns a field that holds a text. It is left out if the text is empty, which is its default. */
export function textField(number: number, text: string): string {
  return text === "" ? "" : bytesField(number, utf8(text));
}

/** Returns a field that holds a number from 0 up. It is left out for 0, which is its default. */
export function numberField(number: number, value: number): string {
  return value === 0 ? "" : varint(number * 8 + varintType) + varint(value);
}

export function flagField(number: number, value: boolean): string {
  return numberField(number, value ? 1 : 0);
}

/** Returns the bytes of a text in which each character stands for one. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Returns where the varint at a place ends. */
export function endOfVarint(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) >= 128) end++;
  return end + 1;
}
