import type { Script } from "./link.ts";
import { claimScript, memberScript } from "./member-script.ts";
import { readScript } from "./read-script.ts";
import { writeScript } from "./write-script.ts";

/** The scripts of a log, each with its hash. */
export interface Scripts {
  readonly write: Script;
  readonly read: Script;
  readonly member: Script;
  readonly claim: Script;
}

/** Returns the scripts with the hashes that Redis knows them by. */
export async function hashed(): Promise<Scripts> {
  const texts = [writeScript, readScript, memberScript, claimScript];
  const [write, read, member, claim] = await Promise.all(texts.map(withHash));
  return { write, read, member, claim } as Scripts;
}

async function withHash(text: string): Promise<Script> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { text, hash };
}
