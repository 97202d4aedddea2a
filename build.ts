import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

// Builds `src` into `dist`: JavaScript, declarations, and the maps that lead from both to `src`. `npm run build`.

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");

/** Of a compiler's library that not everybody's `lib` includes. */
const disposable = /\bAsyncDisposable\b|\bSymbol\.asyncDispose\b/;

// Several processes may build at once, and others read: each file is whole whenever it is there. Beside `dist`, since
// the maps have paths that are relative to where they are.
const built = mkdtempSync(join(root, "dist-"));
try {
  const tsc = realpathSync(join(root, "node_modules/.bin/tsc"));
  const options = ["-p", join(root, "tsconfig.build.json"), "--outDir", built];
  execFileSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
  const files = filesIn(built);
  for (const file of files) if (file.endsWith(".d.ts")) addLibrary(join(built, file));
  for (const file of files) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    renameSync(join(built, file), join(dist, file));
  }
  for (const file of filesIn(dist)) if (!files.includes(file)) rmSync(join(dist, file));
} finally {
  rmSync(built, { recursive: true });
}

/** The files of a folder and of those in it, by their paths from it. */
function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/**
 * Has a declaration file bring along the library that it needs. Not written in the source, since JSR refuses it there;
 * Deno, which reads the sources, always has that library.
 */
function addLibrary(path: string): void {
  const text = readFileSync(path, "utf8");
  if (!disposable.test(text)) return;
  writeFileSync(path, `/// <reference lib="esnext.disposable" />\n${text}`);
  const map = JSON.parse(readFileSync(`${path}.map`, "utf8"));
  // One more line at the top, which comes from nowhere.
  writeFileSync(`${path}.map`, JSON.stringify({ ...map, mappings: `;${map.mappings}` }));
}
