import { describe } from "../model/errors.ts";

/** What would move the cursor, break the line or turn its direction. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * Makes one line of text that only shows. Whoever publishes, or asks for a path, must not be able to command a terminal,
 * or to write a line of a log.
 *
 * JSON stays the same JSON: what is escaped stands in its strings, in the way in which they escape.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (found) => {
    const escaped = JSON.stringify(found).slice(1, -1);
    return escaped === found ? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}` : escaped;
  });
}

/** Causes of causes that are written. */
const deepest = 5;

/**
 * Makes of what was thrown something the console may write: itself where its texts only show, otherwise its stack with
 * every line escaped and indented, so that none of them can pass for a line of the log.
 */
export function loggable(thrown: unknown): unknown {
  if (typeof thrown === "string") return printable(thrown);
  if (!(thrown instanceof Error)) return thrown;
  const lines = linesOf(thrown, deepest);
  const shown = lines.map(printable);
  return shown.every((line, at) => line === lines[at]) ? thrown : shown.join("\n    ");
}

function linesOf(thrown: unknown, depth: number): string[] {
  if (!(thrown instanceof Error)) return [describe(thrown).message];
  const { name, message, stack, cause } = thrown;
  const frames = stack?.slice(stack.lastIndexOf(message) + message.length).split("\n") ?? [];
  const lines = [`${name}: ${message}`, ...frames.map((frame) => frame.trim())];
  if (cause !== undefined && depth > 0) lines.push("[cause]:", ...linesOf(cause, depth - 1));
  return lines.filter((line) => line !== "");
}
