import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
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
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, describe, expect, test } from "vitest";
import { binary, root } from "../support/runtimes.ts";

const node = binary("node");
const json = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));
const npm = json("package.json");
const deno = json("deno.json");
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(/\.ts$/, ""));

interface Locked {
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}
const lock: { packages: Record<string, Locked> } = json("package-lock.json");
const locked = Object.values(lock.packages);

/** The entries, each with the name of its file: `"./hono"` → `"hono"`, `"./client/http"` → `"client-http"`. */
const entries = new Map(
  Object.keys(npm.exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry) => [entry, entry === "." ? "mod" : entry.slice(2).replace("/", "-")]),
);

/** The entry that only Cloudflare Workers have. Elsewhere a module is loaded in its place that throws. */
const worker = "./cloudflare";
const elsewhere = "hosts/cloudflare/elsewhere";
const everywhere = [...entries.keys()].filter((entry) => entry !== worker);

const temporary = mkdtempSync(join(tmpdir(), "tocsin-package-"));
const tarball = once(pack);
const unpacked = once(unpack);

afterAll(() => rmSync(temporary, { recursive: true, force: true }));

test("packing builds the package, and packs the built files, their maps and sources, and the files that npm requires", async () => {
  const files = (await run("tar", ["-tzf", await tarball()])).trim().split("\n");
  const built = ["d.ts", "d.ts.map", "js", "js.map"];
  const expected = sources.flatMap((name) => [
    `package/src/${name}.ts`,
    ...built.map((kind) => `package/dist/${name}.${kind}`),
  ]);
  for (const name of ["package.json", "README.md", "LICENSE"]) expected.push(`package/${name}`);
  expect(files.sort()).toEqual(expected.sort());
});

test("every built file has a source map to its source in the package", async () => {
  const dist = join(await unpacked(), "dist");
  for (const name of sources) {
    for (const kind of ["d.ts", "js"]) {
      expect(readFileSync(join(dist, `${name}.${kind}`), "utf8").trimEnd()).toMatch(
        new RegExp(`\\n//# sourceMappingURL=${basename(name)}.${kind}.map$`),
      );
      const { sourceRoot, sources: paths } = JSON.parse(
        readFileSync(join(dist, `${name}.${kind}.map`), "utf8"),
      );
      const up = "../".repeat(name.split("/").length);
      expect([sourceRoot, paths]).toEqual(["", [`${up}src/${name}.ts`]]);
    }
  }
});

test("a stack trace names the line of the packaged source that threw", async () => {
  const directory = await install();
  const program = `import { memoryLog } from "tocsin"; memoryLog({ size: -1 });`;
  writeFileSync(join(directory, "throwing.mjs"), program);
  const thrown = await run(node, ["--enable-source-maps", "throwing.mjs"], directory).catch(String);
  const [, file = "", line] = /node_modules\/tocsin\/(src\/[\w/-]+\.ts):(\d+)/.exec(thrown) ?? [];
  expect(file).toBe("src/base/check.ts");
  const text = readFileSync(join(await unpacked(), file), "utf8").split("\n")[Number(line) - 1];
  expect(text).toMatch(/throw new RangeError/);
});

test("the map of a declaration file with an added first line starts at the second line", async () => {
  const directory = await unpacked();
  const declarations = readFileSync(join(directory, "dist/model/log.d.ts"), "utf8").split("\n");
  const { mappings } = JSON.parse(readFileSync(join(directory, "dist/model/log.d.ts.map"), "utf8"));
  expect(declarations[0]).toBe('/// <reference lib="esnext.disposable" />');
  // The first line has no mapping. The second line is the first line of the source.
  expect(declarations[1]).toBe(readFileSync(join(directory, "src/model/log.ts"), "utf8").split("\n")[0]);
  expect(mappings.slice(0, 6)).toBe(";AAAA,");
});

test("installing the package runs no script, and npm prints no warning", async () => {
  const { scripts } = JSON.parse(readFileSync(join(await unpacked(), "package.json"), "utf8"));
  const run = ["preinstall", "install", "postinstall", "prepare"];
  expect(run.filter((name) => name in scripts)).toEqual([]);
  const directory = mkdtempSync(join(temporary, "npm-"));
  writeFileSync(join(directory, "package.json"), "{}");
  const options = ["--offline", "--legacy-peer-deps", "--no-audit", "--no-fund"];
  const result = await promisify(execFile)("npm", ["install", ...options, await tarball()], {
    cwd: directory,
  });
  expect([result.stdout.trim().replace(/ in .*/, ""), result.stderr]).toEqual(["added 1 package", ""]);
});

test("installing the dependencies in a clone builds the package", () => {
  expect([npm.scripts.dependencies, npm.scripts.prepack]).toEqual(["npm run build", "npm run build"]);
});

test("the sources pass the type check of Deno", async () => {
  await run(binary("deno"), ["check", "src"]);
});

test("Deno would publish it, without slow types", async () => {
  const output = await run(binary("deno"), ["publish", "--dry-run", "--allow-dirty"]);
  expect(output).not.toMatch(/slow-type|warning/i);
});

test("every public symbol and member has a doc comment, and refers only to public symbols", async () => {
  const files = [...entries.values()].map((name) => `src/${name}.ts`);
  const command = promisify(execFile)(binary("deno"), ["doc", "--lint", ...files], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1" },
  });
  const errors = await command.then(
    () => "",
    ({ stderr }: { stderr: string }) => stderr,
  );
  const findings = errors.match(/^error\[.*\n.*$/gm) ?? [];
  // These types are public in Hono and ws. If they were exported here again, their own members would be reported too.
  const foreign = /references private type '(Context|Env|Handler|Hono|UpgradeWebSocket|WSEvents|WebSocket)'/;
  expect(findings.filter((finding) => !foreign.test(finding))).toEqual([]);
  // Without any finding, deno doc has not checked anything.
  expect(findings.length).toBeGreaterThan(0);
});

test("every entry has a @module comment", () => {
  const texts = [...entries].map(([entry, name]) => [
    entry,
    readFileSync(join(root, `src/${name}.ts`), "utf8"),
  ]);
  const without = texts.filter(([, text]) => !/^\/\*\*\n( \*.*\n)+? \* @module\n \*\/\n\n/.test(text ?? ""));
  expect(without.map(([entry]) => entry)).toEqual([]);
});

test("Deno's sanitizers find no leaked operation and no leaked resource", async () => {
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

test("publint finds nothing", async () => {
  await tool("publint", "run", "--strict", await tarball());
});

test("the types resolve in every project that imports ES modules", async () => {
  await tool("attw", "--profile", "esm-only", "--no-emoji", await tarball());
});

/** Runs `main.mjs` of a project on Node, Bun and Deno. */
function runEverywhere(directory: string): Promise<string[]> {
  return Promise.all([
    run(node, ["main.mjs"], directory),
    run(binary("bun"), ["main.mjs"], directory),
    run(binary("deno"), ["run", "-A", "main.mjs"], directory),
  ]);
}

test("every entry can be imported on Node, Bun and Deno, except for that of Cloudflare Workers, and the process then ends", async () => {
  const imported = everywhere.map((entry) => `${entry}\n`).join("");
  expect(await runEverywhere(await install())).toEqual([imported, imported, imported]);
});

test("on Node, Bun and Deno an import of the entry of Cloudflare Workers says where it works", async () => {
  const directory = await install();
  // A name that the module does not have would be the error instead.
  writeFileSync(
    join(directory, "worker.mjs"),
    `import { ${(await namesOf(worker)).join(", ")} } from "tocsin/cloudflare";`,
  );
  const program = 'import("./worker.mjs").catch((error) => console.log(String(error)));';
  writeFileSync(join(directory, "main.mjs"), program);
  const thrown =
    'Error: Cannot load tocsin/cloudflare: it works in Cloudflare Workers only, whose bundlers set the condition "workerd". Elsewhere take tocsin/node, tocsin/bun or tocsin/deno\n';
  expect(await runEverywhere(directory)).toEqual([thrown, thrown, thrown]);
});

test("a bundler with the condition workerd takes the entry of Cloudflare Workers, and others do not", async () => {
  const directory = await install();
  const bundle = async (conditions: string[]): Promise<string> => {
    const { outputFiles } = await build({
      stdin: {
        contents: 'export { NotifierObject, route } from "tocsin/cloudflare";',
        resolveDir: directory,
      },
      ...{ bundle: true, format: "esm", external: ["cloudflare:workers"], write: false, conditions },
    });
    return outputFiles[0]?.text ?? "";
  };
  const [own, other] = await Promise.all([bundle(["workerd"]), bundle([])]);
  expect([own, other].map((text) => text.includes('from "cloudflare:workers"'))).toEqual([true, false]);
  expect([own, other].map((text) => text.includes("Cannot load tocsin/cloudflare"))).toEqual([false, true]);
});

test("the command runs on Node, Bun and Deno, through the link that npm creates", async () => {
  const directory = await install();
  const linked = join(directory, "node_modules/.bin", "tocsin");
  const outputs = await Promise.all([
    run(linked, ["--version"], directory),
    run(binary("bun"), [linked, "--version"], directory),
    run(binary("deno"), ["run", "-A", `npm:${npm.name}`, "--version"], directory),
  ]);
  expect(outputs).toEqual(Array(3).fill(`${npm.version}\n`));
});

describe("a program that uses every entry passes the type check", () => {
  /**
   * The options of a project with an older target that checks the declarations of libraries and names no package of
   * types.
   */
  const plain = { lib: ["ES2022", "DOM"], types: [], skipLibCheck: false };

  test.each([
    { module: "node16" },
    { module: "nodenext" },
    { module: "esnext", moduleResolution: "bundler", exactOptionalPropertyTypes: true },
  ])("with %j", async (how) => {
    expect(await compile({ ...plain, ...how }, everywhere)).toEqual([]);
  });

  test("without any package of types, except for the entry for Node", async () => {
    const others = everywhere.filter((entry) => entry !== "./node");
    expect(await compile({ ...plain, module: "nodenext" }, others, [])).toEqual([]);
  });

  test("in a project of Cloudflare Workers", async () => {
    const types = ["@cloudflare/workers-types"];
    const options = {
      lib: ["ES2024"],
      types,
      module: "esnext",
      moduleResolution: "bundler",
      skipLibCheck: false,
    };
    const used = [...entries.keys()].filter((entry) => !["./node", "./bun", "./deno"].includes(entry));
    expect(await compile(options, used, types)).toEqual([]);
  });

  test("in a project of Bun", async () => {
    const options = { lib: ["ESNext"], types: ["bun"], module: "preserve", skipLibCheck: false };
    expect(await compile(options, everywhere)).toEqual([]);
  });
});

test("a declaration file that needs lib.esnext.disposable has a reference to it", async () => {
  const dist = join(await unpacked(), "dist");
  const texts = sources.map((name) => readFileSync(join(dist, `${name}.d.ts`), "utf8"));
  const needing = texts.filter((text) => /AsyncDisposable|asyncDispose/.test(text));
  expect(needing.length).toBeGreaterThan(3);
  const without = needing.filter((text) => !text.startsWith('/// <reference lib="esnext.disposable" />\n'));
  expect(without).toEqual([]);
});

test("package.json, deno.json and src agree", () => {
  expect(deno.name).toBe(`@tocsin/${npm.name}`);
  expect([deno.version, deno.license]).toEqual([npm.version, npm.license]);
  for (const [entry, name] of entries) {
    const file = `./dist/${name}.js`;
    const runtimes =
      entry === worker ? { workerd: file, default: `./dist/${elsewhere}.js` } : { default: file };
    expect(npm.exports[entry]).toEqual({ types: `./dist/${name}.d.ts`, ...runtimes });
  }
  // The first condition that fits counts.
  expect(Object.keys(npm.exports[worker])).toEqual(["types", "workerd", "default"]);
  const files = [...entries].map(([entry, name]) => [entry, `./src/${name}.ts`]);
  expect(deno.exports).toEqual(Object.fromEntries(files));
  expect([...entries.values()].filter((name) => !sources.includes(name))).toEqual([]);
});

test("Deno resolves the package to its sources, and its peers to the same versions as npm", () => {
  const own = [...entries].map(([entry, name]) => [entry.replace(".", npm.name), `./src/${name}.ts`]);
  const peers = Object.entries(npm.peerDependencies).map(([name, range]) => [name, `npm:${name}@${range}`]);
  expect(deno.imports).toEqual(Object.fromEntries([...own, ...peers]));
});

test("the README gives both names of the package before the first import", () => {
  const words = readFileSync(join(root, "README.md"), "utf8").replace(/\s+/g, " ");
  const before = words.slice(0, words.indexOf(`from "${npm.name}"`));
  expect(before).toContain(`The package is \`${npm.name}\` on npm and \`${deno.name}\` on JSR`);
  expect(before).toContain(
    `With \`deno add jsr:${deno.name}\`, import \`${deno.name}\`, \`${deno.name}/hono\``,
  );
  expect(before).toContain(`With \`deno add ${npm.name}@jsr:${deno.name}\`, the names are as written here`);
});

test("the package has only peer dependencies", () => {
  expect([npm.dependencies, npm.optionalDependencies, npm.bundleDependencies]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("the lock file names no registry host", () => {
  expect(locked.filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toMatch(/registry[.]/);
});

test("the lock file has the packages of every platform; otherwise npm ci would refuse it", () => {
  const wanted = locked.flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  expect(wanted.filter((name) => !(`node_modules/${name}` in lock.packages))).toEqual([]);
});

/** Packs a copy of the package's files, as `npm publish` does. Returns the path of the tarball. */
async function pack(): Promise<string> {
  const stage = join(temporary, "stage");
  mkdirSync(stage);
  const parts = /^(src|README\.md|LICENSE|\.gitignore|build\.ts|package\.json|tsconfig.*\.json|.*\.d\.ts)$/;
  for (const file of readdirSync(root).filter((name) => parts.test(name)))
    cpSync(join(root, file), join(stage, file), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(stage, "node_modules"));
  await run("npm", ["pack", "--pack-destination", temporary], stage);
  return join(temporary, `${npm.name}-${npm.version}.tgz`);
}

/** Unpacks the tarball. Returns the directory. */
async function unpack(): Promise<string> {
  await run("tar", ["-xzf", await tarball(), "-C", temporary]);
  return join(temporary, "package");
}

/** Returns the names of the values that an entry exports. */
async function namesOf(entry: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [join(root, "src", `${entries.get(entry)}.ts`)],
    ...{
      bundle: true,
      format: "esm",
      external: ["cloudflare:workers", "hono"],
      write: false,
      metafile: true,
    },
  });
  return Object.values(metafile.outputs)[0]?.exports ?? [];
}

/** Creates a project with the package, its peers, and a program that imports every entry. Returns its directory. */
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
  const lines = everywhere.map((entry) => {
    const specifier = JSON.stringify(entry.replace(".", npm.name));
    return `if (Object.keys(await import(${specifier})).length > 0) console.log(${JSON.stringify(entry)});`;
  });
  writeFileSync(join(directory, "main.mjs"), lines.join("\n"));
  return directory;
}

/**
 * Type-checks a program that uses the entries `used`, in a project with the packages `types`. Returns the errors in the
 * program and in the package.
 */
async function compile(
  options: Record<string, unknown>,
  used: string[],
  types: string[] = ["@types/node", "@types/ws", "@types/bun", "bun-types", "undici-types"],
): Promise<string[]> {
  const directory = await install();
  for (const name of types) {
    mkdirSync(dirname(join(directory, "node_modules", name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(directory, "node_modules", name));
  }
  const imports = used.map((entry, index) => `import * as _${index} from "${entry.replace(".", npm.name)}";`);
  const program = `
    import { createNotifier, memoryLog, type Log } from "tocsin";
    import { connect } from "tocsin/client";
    ${imports.join("\n    ")}
    export const all = [${used.map((_, index) => `_${index}`).join(", ")}];
    export async function main(): Promise<void> {
      await using log: Log = memoryLog();
      await using notifier = createNotifier({ log });
      await using client = connect("/notifications");
      for await (const { data } of client.follow("news")) await notifier.publish("news", data);
    }`;
  writeFileSync(join(directory, "main.ts"), program);
  const compilerOptions = { target: "es2022", strict: true, noEmit: true, ...options };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
  const tsc = realpathSync(join(root, "node_modules/.bin/tsc"));
  const ended = await promisify(execFile)(node, [tsc, "-p", directory], { cwd: directory }).catch(
    (error: { stdout: string }) => error,
  );
  // Errors in declarations of other packages are ignored: those of Bun contradict those of the oldest supported Node.
  return ended.stdout.split("\n").filter((line) => /^(node_modules\/tocsin|main|error)/.test(line));
}

/** Runs a command of `node_modules/.bin`. */
function tool(name: string, ...args: string[]): Promise<string> {
  return run(node, [realpathSync(join(root, "node_modules/.bin", name)), ...args]);
}

/**
 * Runs a command, and returns its stdout. Throws an error with the whole output if the command fails. In the command,
 * `node` is Node, even under `bun --bun`.
 */
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
