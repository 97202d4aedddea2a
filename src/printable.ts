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
  if (!(thrown instanceof Error) || isPlain(thrown, deepest)) return thrown;
  return linesOf(thrown, deepest).join("\n    ");
}

function isPlain(thrown: unknown, depth: number): boolean {
  if (!(thrown instanceof Error)) return typeof thrown !== "string" || printable(thrown) === thrown;
  const { name, message, cause } = thrown;
  return (
    printable(`${name} ${message}`) === `${name} ${message}` && (depth === 0 || isPlain(cause, depth - 1))
  );
}

function linesOf(thrown: unknown, depth: number): string[] {
  if (!(thrown instanceof Error)) return [printable(String(thrown))];
  const { name, message, stack, cause } = thrown;
  const frames = stack?.slice(stack.lastIndexOf(message) + message.length).split("\n") ?? [];
  const lines = [printable(`${name}: ${message}`), ...frames.map((line) => printable(line.trim()))];
  if (cause !== undefined && depth > 0) lines.push("[cause]:", ...linesOf(cause, depth - 1));
  return lines.filter((line) => line !== "");
}
