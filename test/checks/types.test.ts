import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { binary, root } from "../support/runtimes.ts";

/** Inside the project, so that its packages and names resolve. */
mkdirSync(join(root, ".cache"), { recursive: true });
const temporary = mkdtempSync(join(root, ".cache/types-"));
afterAll(() => rmSync(temporary, { recursive: true }));

/**
 * Turns the methods of a declared global into function properties. TypeScript compares the parameters of these
 * strictly: the runtime must accept every argument that the sources may pass.
 */
const strict =
  "type Strict<T> = { [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => R : T[K] };";

describe.each(["bun", "deno"])("with the types of %s", (name) => {
  const source = readFileSync(join(root, `src/hosts/${name}.ts`), "utf8");
  const globals = Array.from(source.matchAll(/^declare const (\w+)/gm), ([, global = ""]) => global);

  /** Type-checks the entry, and that each global of the runtime is assignable to the entry's declaration of it. */
  async function prove(code: string): Promise<string> {
    const directory = mkdtempSync(join(temporary, `${name}-`));
    const proofs = globals.map(
      (global) => `export const own${global}: Strict<typeof ${global}> = globalThis.${global};`,
    );
    const imported = code.replace(
      /from "(\.\.?)\//g,
      (_, up) => `from "../../../src/${up === "." ? "hosts/" : ""}`,
    );
    writeFileSync(join(directory, "entry.ts"), [imported, strict, ...proofs].join("\n"));
    const project = { extends: join(root, "test/types", name, "tsconfig.json"), include: ["*.ts"] };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(project));
    return check(directory);
  }

  test("the main file, the tests and the use of the entry pass the type check", async () => {
    expect(await check(join(root, "test/types", name))).toBe("");
  });

  test("the globals that the entry declares match those of the runtime", async () => {
    expect(globals).toContain(name === "bun" ? "Bun" : "Deno");
    expect(await prove(source)).toBe("");
  });

  test("a global that the entry declares wrongly is noticed", async () => {
    const [right, wrong] =
      name === "bun"
        ? ["idleTimeout: number;\n    fetch", "idleTimeout: string;\n    fetch"]
        : ["idleTimeout: number }", "idleTimeout: string }"];
    expect(source.split(right)).toHaveLength(2);
    const found = await prove(source.replace(right, wrong));
    expect(found).toContain(`Type 'string' is not assignable to type 'number`);
  });
});

describe("with the types of cloudflare", () => {
  const project = join(root, "test/types/cloudflare");
  const source = readFileSync(join(root, "src/hosts/cloudflare/platform.ts"), "utf8");
  const proof = readFileSync(join(project, "platform.ts"), "utf8");

  /** Type-checks that the types of the platform match what a copy of `platform.ts` declares of it. */
  async function prove(code: string): Promise<string> {
    const directory = mkdtempSync(join(temporary, "cloudflare-"));
    writeFileSync(join(directory, "declared.ts"), code.replaceAll('"../../', '"../../../src/'));
    const imported = proof.replaceAll("../../../src/hosts/cloudflare/platform.ts", "./declared.ts");
    writeFileSync(join(directory, "platform.ts"), imported);
    const settings = { extends: join(project, "tsconfig.json"), include: ["*.ts"] };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(settings));
    return check(directory);
  }

  test("a Worker, the example, and what the sources declare of the platform pass the type check", async () => {
    expect(await check(project)).toBe("");
    expect(await prove(source)).toBe("");
  });

  test.each([
    ["setAlarm(time: number)", "setAlarm(time: string)"],
    ["readonly readyState: number", "readonly readyState: string"],
    ["getAlarm(): Promise<number | null>", "getAlarm(): Promise<number>"],
    ["deserializeAttachment(): unknown", "deserializeAttachments(): unknown"],
  ])("%s of the platform that is declared wrongly is noticed", async (right, wrong) => {
    expect(source.split(right)).toHaveLength(2);
    expect(await prove(source.replace(right, wrong))).toMatch(/error TS2322|error TS2741/);
  });
});

test("the page of the Worker passes the type check with the types of a browser", async () => {
  expect(await check(join(root, "test/types/browser"))).toBe("");
});

test("the published sources do not refer to the packages that have these types", () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const reference = /@types\/|bun-types|workers-types|reference\s+types=|from "bun"/;
  expect(files.filter((file) => reference.test(readFileSync(join(root, "src", file), "utf8")))).toEqual([]);
});

/** Returns the errors that the compiler finds in a project. */
async function check(project: string): Promise<string> {
  const tsc = realpathSync(join(root, "node_modules/.bin/tsc"));
  try {
    return (await promisify(execFile)(binary("node"), [tsc, "--noEmit", "-p", project], { cwd: root }))
      .stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
