/** How a piece of text is set off, where the terminal can. */
export type Paint = (style: "dim" | "bold" | "green" | "red" | "yellow" | "cyan", text: string) => string;

/** Sets nothing off. */
export const unpainted: Paint = (_, text) => text;

/** What would move the cursor, break the line or turn its direction. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const wide =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const narrow = /[\p{M}\p{Cf}]/u;

/**
 * Makes one line of text that only shows. Whoever publishes must not be able to command the terminal.
 *
 * JSON stays the same JSON: what is escaped stands in its strings, in the way in which they escape.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (found) => {
    const escaped = JSON.stringify(found).slice(1, -1);
    return escaped === found ? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}` : escaped;
  });
}

/** How many cells of a terminal a line of unpainted text takes. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += widthOf(character);
  return cells;
}

/** Cuts a line of unpainted text to so many cells, and shows that it did. */
export function cut(text: string, cells: number): string {
  if (cellsOf(text) <= cells) return text;
  let left = cells - 1;
  let kept = "";
  for (const character of text) {
    left -= widthOf(character);
    if (left < 0) break;
    kept += character;
  }
  return cells > 0 ? `${kept}…` : "";
}

function widthOf(character: string): number {
  if (narrow.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}
