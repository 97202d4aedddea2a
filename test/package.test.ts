import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { binary, root } from "./runtimes.ts";

const node = binary("node");
const json = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));
const npm = json("package.json");
const deno = json("deno.json");
const sources = readdirSync(join(root, "src")).map((file) => file.replace(/\.ts$/, ""));

interface Locked {
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}
const lock: { packages: Record<string, Locked> } = json("package-lock.json");
const locked = Object.values(lock.packages);

/** The entries, each with the word that names its file: `"./hono"` → `"hono"`. */
const entries = new Map(
  Object.keys(npm.exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry) => [entry, entry === "." ? "mod" : entry.slice(2)]),
);

const temporary = mkdtempSync(join(tmpdir(), "tocsin-package-"));
const stage = join(temporary, "stage");
const built = once(build);
const tarball = once(pack);

afterAll(() => rmSync(temporary, { recursive: true, force: true }));

test("Biome finds nothing", async () => {
  await tool("biome", "check", "--error-on-warnings", "--max-diagnostics=none");
});

test("tsc builds from nothing, every file of src", async () => {
  const files = sources.flatMap((name) => [`${name}.d.ts`, `${name}.js`]);
  expect((await built()).sort()).toEqual(files.sort());
});

test("sources, tests and examples pass the type check", async () => {
  await tool("tsc", "-p", "tsconfig.json");
});

test("the sources pass the type check of Deno", async () => {
  await run(binary("deno"), ["check", "src"]);
});

test("Deno would publish it, without slow types", async () => {
  const output = await run(binary("deno"), ["publish", "--dry-run", "--allow-dirty", "--no-check"]);
  expect(output).not.toMatch(/slow-type|warning/i);
});

test("Deno's sanitizers find no operation and no resource left behind", async () => {
  const output = await run(binary("deno"), [
    "test",
    "-A",
    "--no-check",
    "--sanitize-ops",
    "--sanitize-resources",
    "test/deno/sanitized.ts",
  ]);
  expect(output).toMatch(/2 passed.* 0 failed/);
});

test("the tarball holds the built files, README, LICENSE and manifest, and nothing else", async () => {
  const files = (await run("tar", ["-tzf", await tarball()])).trim().split("\n");
  const names = files.map((file) => file.replace(/^package\//, ""));
  const expected = [...(await built()).map((file) => `dist/${file}`), "package.json", "README.md", "LICENSE"];
  expect(names.sort()).toEqual(expected.sort());
});

test("publint finds nothing", async () => {
  await tool("publint", "run", "--strict", await tarball());
});

test("the types resolve for every importer of ES modules", async () => {
  await tool("attw", "--profile", "esm-only", "--no-emoji", await tarball());
});

test("every entry can be imported on Node, Bun and Deno, and the process then ends", async () => {
  const directory = await install();
  const outputs = await Promise.all([
    run(node, ["main.mjs"], directory),
    run(binary("bun"), ["main.mjs"], directory),
    run(binary("deno"), ["run", "-A", "main.mjs"], directory),
  ]);
  const imported = [...entries.keys()].map((entry) => `${entry}\n`).join("");
  expect(outputs).toEqual([imported, imported, imported]);
});

test("its command runs on Node, Bun and Deno, as npm links it", async () => {
  const directory = await install();
  const linked = join(directory, "node_modules/.bin", "tocsin");
  const outputs = await Promise.all([
    run(linked, ["--version"], directory),
    run(binary("bun"), [linked, "--version"], directory),
    run(binary("deno"), ["run", "-A", `npm:${npm.name}`, "--version"], directory),
  ]);
  expect(outputs).toEqual(Array(3).fill(`${npm.version}\n`));
});

test("package.json, deno.json and src agree", () => {
  expect(deno.name).toBe(`@tocsin/${npm.name}`);
  expect([deno.version, deno.license]).toEqual([npm.version, npm.license]);
  for (const [entry, name] of entries) {
    expect(npm.exports[entry]).toEqual({ types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` });
  }
  const files = [...entries].map(([entry, name]) => [entry, `./src/${name}.ts`]);
  expect(deno.exports).toEqual(Object.fromEntries(files));
  expect([...entries.values()].filter((name) => !sources.includes(name))).toEqual([]);
});

test("Deno resolves the package to its sources, and its peers to the same versions as npm", () => {
  const own = [...entries].map(([entry, name]) => [entry.replace(".", npm.name), `./src/${name}.ts`]);
  const peers = Object.entries(npm.peerDependencies).map(([name, range]) => [name, `npm:${name}@${range}`]);
  expect(deno.imports).toEqual(Object.fromEntries([...own, ...peers]));
});

test("it depends on nothing but its peers", () => {
  expect([npm.dependencies, npm.optionalDependencies, npm.bundleDependencies]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("the lock file names no host to fetch from", () => {
  expect(locked.filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toMatch(/registry[.]/);
});

test("the lock file knows the packages of every platform, or npm ci refuses it", () => {
  const wanted = locked.flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  expect(wanted.filter((name) => !(`node_modules/${name}` in lock.packages))).toEqual([]);
});

async function build(): Promise<string[]> {
  await tool("tsc", "-p", "tsconfig.build.json", "--outDir", join(stage, "dist"));
  return readdirSync(join(stage, "dist"));
}

async function pack(): Promise<string> {
  await built();
  for (const file of ["package.json", "README.md", "LICENSE", ".gitignore"]) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(stage, file));
  }
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", temporary], stage);
  return join(temporary, `${npm.name}-${npm.version}.tgz`);
}

/** Makes a project that has the package and its peers, and a program that imports every entry. */
async function install(): Promise<string> {
  const directory = mkdtempSync(join(temporary, "project-"));
  const modules = join(directory, "node_modules");
  mkdirSync(join(modules, npm.name), { recursive: true });
  mkdirSync(join(modules, "@hono"));
  mkdirSync(join(modules, ".bin"));
  await run("tar", ["-xzf", await tarball(), "-C", join(modules, npm.name), "--strip-components=1"]);
  for (const peer of Object.keys(npm.peerDependencies))
    symlinkSync(join(root, "node_modules", peer), join(modules, peer));
  const command = join(modules, npm.name, npm.bin.tocsin);
  chmodSync(command, 0o755);
  symlinkSync(command, join(modules, ".bin/tocsin"));
  const ranges = { ...npm.peerDependencies, [npm.name]: npm.version };
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module", dependencies: ranges }));
  const lines = [...entries.keys()].map((entry) => {
    const specifier = JSON.stringify(entry.replace(".", npm.name));
    return `if (Object.keys(await import(${specifier})).length > 0) console.log(${JSON.stringify(entry)});`;
  });
  writeFileSync(join(directory, "main.mjs"), lines.join("\n"));
  return directory;
}

/** Runs a command of `node_modules/.bin`. */
function tool(name: string, ...args: string[]): Promise<string> {
  return run(node, [realpathSync(join(root, "node_modules/.bin", name)), ...args]);
}

/** Runs a command with success, or throws all that it said. `node` is Node for it, even under `bun --bun`. */
async function run(file: string, args: string[], cwd: string = root): Promise<string> {
  const PATH = [dirname(node), process.env.PATH].join(delimiter);
  const options = { cwd, env: { ...process.env, PATH, NO_COLOR: "1" }, timeout: 50_000 };
  try {
    return (await promisify(execFile)(file, args, options)).stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    throw new Error(`${file} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
