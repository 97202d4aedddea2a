import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path/posix";

/**
 * Returns the page, with headers that include a Content Security Policy. The policy allows only the scripts and styles
 * in the page and the modules of this server.
 */
export async function readPage(): Promise<{ html: string; headers: Record<string, string> }> {
  const text = await readFile(new URL("./page.html", import.meta.url), "utf8");
  // A browser computes the hashes from the parsed page, which has "\n" even if the file was checked out with "\r\n".
  const html = text.replaceAll("\r\n", "\n");
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${hashes(html, /<script\b[^>]*>(.*?)<\/script>/gs)}`,
    `style-src ${hashes(html, /<style>(.*?)<\/style>/gs)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  const headers = {
    "Content-Security-Policy": policy.join("; "),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
  };
  return { html, headers };
}

/** The headers of a module. */
export const moduleHeaders: Record<string, string> = {
  "Content-Type": "text/javascript; charset=utf-8",
  "Cache-Control": "no-cache",
  "X-Content-Type-Options": "nosniff",
};

/** Returns the code of the built `tocsin/client` and of the modules that it imports, by their paths in `dist`. */
export async function readClient(): Promise<Map<string, string>> {
  const modules = new Map<string, string>();
  const wanted = ["client.js"];
  for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
    if (modules.has(path)) continue;
    const code = await readBuilt(path);
    modules.set(path, code);
    for (const [, specifier = ""] of code.matchAll(/ from "(\.\.?\/[\w/-]+\.js)"/g))
      wanted.push(join(dirname(path), specifier));
  }
  return modules;
}

async function readBuilt(name: string): Promise<string> {
  try {
    return await readFile(new URL(`../../dist/${name}`, import.meta.url), "utf8");
  } catch (cause) {
    throw new Error(`Cannot serve "${name}" of the client: run npm run build first`, { cause });
  }
}

function hashes(html: string, element: RegExp): string {
  const contents = Array.from(html.matchAll(element), ([, content = ""]) => content);
  return contents
    .map((content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`)
    .join(" ");
}
