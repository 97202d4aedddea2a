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

// Builds `src` into `dist`: JavaScript, declarations, and source maps from both to `src`. Run it with `npm run build`.

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");

/** Matches types of `lib.esnext.disposable`, which the `lib` option of a user's project may not include. */
const disposable = /\bAsyncDisposable\b|\bSymbol\.asyncDispose\b/;

// Several processes may build at the same time while others read, so each file is renamed into `dist` when it is
// complete. The temporary folder is beside `dist`, because the paths in the maps are relative to the folder.
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

/** Returns the relative paths of all files in a folder and its subfolders. */
function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/**
 * Adds a reference to `lib.esnext.disposable` to a declaration file that needs it. The reference cannot be in the
 * source, because JSR refuses it there. Deno reads the sources, and always has this library.
 */
function addLibrary(path: string): void {
  const text = readFileSync(path, "utf8");
  if (!disposable.test(text)) return;
  writeFileSync(path, `/// <reference lib="esnext.disposable" />\n${text}`);
  const map = JSON.parse(readFileSync(`${path}.map`, "utf8"));
  // The added first line has no mapping: ";" starts the next line.
  writeFileSync(`${path}.map`, JSON.stringify({ ...map, mappings: `;${map.mappings}` }));
}
