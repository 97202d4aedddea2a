import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";

/** The real path of a folder, or the problem with the entered path. */
export type Found = { folder: string; problem?: undefined } | { folder?: undefined; problem: string };

/** Finds the folder that a user has entered. A relative path is resolved against `base`. */
export async function findFolder(text: unknown, base: string): Promise<Found> {
  if (typeof text !== "string" || text.trim() === "") return { problem: "Enter the path of a folder." };
  const path = text.trim();
  try {
    const folder = await realpath(resolve(base, path));
    if (!(await stat(folder)).isDirectory()) return { problem: `“${path}” is a file, not a folder.` };
    return { folder };
  } catch (error) {
    return {
      problem: problemOf(
        path.length > 100 ? `${path.slice(0, 100)}…` : path,
        error as Error & { code?: unknown },
      ),
    };
  }
}

function problemOf(path: string, { code, name }: Error & { code?: unknown }): string {
  if (code === "ENOENT" && path.startsWith("~"))
    return `“${path}” is not understood: write out what ~ stands for.`;
  if (code === "ENOENT") return `There is no folder “${path}”.`;
  if (code === "ENOTDIR") return `“${path}” leads through a file, not a folder.`;
  // NotCapable: Deno lacks the permission to read.
  if (code === "EACCES" || code === "EPERM" || name === "NotCapable") {
    return `“${path}” may not be read: permission denied.`;
  }
  return `“${path}” cannot be opened (${typeof code === "string" ? code : name}).`;
}
