import { describe } from "../model/errors.ts";
import { cutText } from "./bytes.ts";

/** Whether a text holds nothing that a log or a terminal would not show as itself: control characters, half characters. */
export function isName(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u.test(text);
}

/** Whether it is a text of so many characters. */
export function isText(value: unknown, least = 0, most: number = Infinity): value is string {
  return typeof value === "string" && value.length >= least && value.length <= most;
}

/** Whether it is a time, which may be infinite. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(value);
}

/** Whether it is a whole number from 0 up. */
export function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The beginning of a value, quoted, in the words of an error. */
export function shown(value: unknown): string {
  return JSON.stringify(cutText(describe(value).message, 80));
}

/** Answers a bound that is a number from 0 up, and throws a RangeError for any other. */
export function checkBound(name: string, bound: number): number {
  if (isBound(bound)) return bound;
  throw new RangeError(`Cannot use ${name} "${String(bound)}": it is not a number from 0 up`);
}

export function isBound(bound: unknown): bound is number {
  return typeof bound === "number" && bound >= 0;
}

/** Whether it is what JSON calls an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
