import { describe } from "../model/errors.ts";
import { cutText } from "./bytes.ts";

/**
 * Returns whether a string is a valid name: not empty, and without characters that a log or a terminal would not print
 * as they are (control characters, line and paragraph separators, lone surrogates).
 */
export function isName(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u.test(text);
}

/** Returns whether a value is a string of `min` to `max` UTF-16 code units. */
export function isText(value: unknown, min = 0, max: number = Infinity): value is string {
  return typeof value === "string" && value.length >= min && value.length <= max;
}

/** Returns whether a value is a time: any number except NaN. It may be infinite. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(value);
}

/** Returns whether a value is a safe integer of at least 0. */
export function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Returns the first 80 characters of a value as a quoted string, for error messages. */
export function shown(value: unknown): string {
  return JSON.stringify(cutText(describe(value).message, 80));
}

/**
 * Returns `bound` if it is a number of at least 0, and throws a RangeError otherwise. `name` is used in the message.
 */
export function checkBound(name: string, bound: number): number {
  if (isBound(bound)) return bound;
  throw new RangeError(`Cannot use ${name} "${String(bound)}": it is not a number from 0 up`);
}

export function isBound(bound: unknown): bound is number {
  return typeof bound === "number" && bound >= 0;
}

/** Returns whether a value is an object in the sense of JSON: not null and not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
