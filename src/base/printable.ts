import { describe } from "../model/errors.ts";

/** Characters that move the cursor, break the line or change its direction. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * Escapes control characters, so that a string prints as one plain line. A publisher or a requested path must not be
 * able to send control sequences to a terminal, or to forge a line of a log.
 *
 * JSON text stays equivalent JSON: such characters occur only in its strings, and are escaped as JSON escapes them.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (found) => {
    const escaped = JSON.stringify(found).slice(1, -1);
    return escaped === found ? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}` : escaped;
  });
}

/** The maximum depth of the chain of causes that is written. */
const maxCauses = 5;

/**
 * Returns a form of a thrown value that is safe to write to the console. An error without control characters is
 * returned unchanged. Otherwise its stack is returned with every line escaped and indented, so that no line can be
 * taken for a line of the log.
 */
export function loggable(thrown: unknown): unknown {
  if (typeof thrown === "string") return printable(thrown);
  if (!(thrown instanceof Error)) return thrown;
  const lines = linesOf(thrown, maxCauses);
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
