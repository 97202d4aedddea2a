export { printable } from "../base/printable.ts";

/** Returns text with a style, if the terminal supports styles. */
export type Paint = (style: "dim" | "bold" | "green" | "red" | "yellow" | "cyan", text: string) => string;

/** Returns the text without a style. */
export const unpainted: Paint = (_, text) => text;

const wide =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const narrow = /[\p{M}\p{Cf}]/u;

/** Returns how many cells of a terminal a line of unpainted text takes. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += widthOf(character);
  return cells;
}

/** Cuts a line of unpainted text to `cells` cells. An ellipsis marks the cut. */
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
