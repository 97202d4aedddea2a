import { isObject } from "./check.ts";

/**
 * Reads JSON that says its format. Returns undefined for a text that is no such object, and for another format: another
 * version has written it.
 */
export function readFormatted(text: string, format: number): Readonly<Record<string, unknown>> | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(read) && read.format === format ? read : undefined;
}

/** Returns a value if it is a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
