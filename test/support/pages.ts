import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./runtimes.ts";

/** A page of the documentation. */
export interface Page {
  /** Its path in the project: `docs/access.md`. */
  readonly path: string;
  readonly text: string;
}

/** A TypeScript block, which names its file in its first line. */
export interface Block {
  readonly file: string | undefined;
  readonly code: string | undefined;
}

export function page(path: string): Page {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

export const readme: Page = page("README.md");

export const docs: readonly Page[] = readdirSync(join(root, "docs"))
  .filter((name) => name.endsWith(".md"))
  .map((name) => page(`docs/${name}`));

export function blocksOf({ text }: Page): Block[] {
  return [...text.matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(([, file, code]) => ({ file, code }));
}

/** Returns the blocks of a page that are not exactly the content of an example file. */
export function wrongBlocksOf(page: Page): Block[] {
  const blocks = blocksOf(page);
  const wrong = blocks.filter(({ file, code }) => readFileSync(join(root, file as string), "utf8") !== code);
  const unnamed = (page.text.match(/```ts/g)?.length ?? 0) - blocks.length;
  return [...wrong, ...Array.from({ length: unnamed }, () => ({ file: undefined, code: undefined }))];
}

/** Returns the links within the project that lead to no file, or to no heading of the file. */
export function wrongLinksOf({ path, text }: Page): string[] {
  const links = [...prose(text).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link]) => link as string);
  return links.filter((link) => {
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : join(dirname(path), file);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(page(target).text).includes(anchor);
  });
}

/** Returns the anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return headingsOf(text).map((heading) => {
    const anchor = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}

export function headingsOf(text: string): string[] {
  return [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string);
}

/** Returns the text without code, because a comment in code may look like a heading. */
export function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, "");
}

/** Returns the rows of the first table with a column for tocsin on Node, the header first. */
export function tableOf(markdown: string): string[][] {
  const lines = markdown.split("\n");
  const first = lines.findIndex((line) => line.includes("tocsin, Node"));
  const last = lines.findIndex((line, index) => index > first && !line.startsWith("|"));
  const rows = lines.slice(first, last).map((line) => line.split("|").slice(1, -1));
  return rows.map((cells) => cells.map((cell) => cell.trim())).filter(([, cell]) => !cell?.startsWith("---"));
}
