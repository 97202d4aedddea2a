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
import { join } from "node:path";
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
  const files = readdirSync(built);
  for (const file of files) if (file.endsWith(".d.ts")) addLibrary(join(built, file));
  mkdirSync(dist, { recursive: true });
  for (const file of files) renameSync(join(built, file), join(dist, file));
  for (const file of readdirSync(dist))
    if (!files.includes(file)) rmSync(join(dist, file), { recursive: true });
} finally {
  rmSync(built, { recursive: true });
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
