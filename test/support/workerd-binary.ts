import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { root } from "./runtimes.ts";

/** The executable of workerd, and its version, which is a date. Or why it cannot run here. */
export const installed: { file: string; version: string } | { reason: string } = find();

function find(): typeof installed {
  const file = executable();
  if (file === undefined) return { reason: "workerd is not installed for this machine" };
  try {
    const text = execFileSync(file, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const version = /\d{4}-\d\d-\d\d/.exec(text)?.[0];
    return version === undefined ? { reason: `workerd has no version: ${text.trim()}` } : { file, version };
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string };
    return { reason: `workerd does not run on this machine: ${(stderr || message).trim().split("\n")[0]}` };
  }
}

/** Returns the executable, where npm has put it. Its install script need not have run. */
function executable(): string | undefined {
  const scope = join(root, "node_modules/@cloudflare");
  const packages = existsSync(scope) ? readdirSync(scope).filter((name) => name.startsWith("workerd-")) : [];
  const name = process.platform === "win32" ? "workerd.exe" : "workerd";
  const found = packages.map((each) => join(scope, each, "bin", name)).find((path) => existsSync(path));
  return found === undefined ? undefined : realpathSync(found);
}
