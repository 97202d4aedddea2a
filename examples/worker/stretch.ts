import { type ProgressEvent, progress } from "tocsin/run";

/** The result of stretching a text. */
export interface Stretched {
  /** The last hash, in hex. */
  digest: string;
  rounds: number;
}

/** Options of `stretch`. */
export interface StretchOptions {
  /** How often to hash. */
  rounds: number;
  /** Ends the work: `stretch` then throws the signal's reason. */
  signal: AbortSignal;
}

declare const scheduler: { wait(milliseconds: number, options: { signal: AbortSignal }): Promise<void> };

/** The rounds between two pauses. */
const batch = 50;
/** Milliseconds of a pause, in which the object answers its clients, and a person has time to watch. */
const pause = 100;

/** Hashes a text with SHA-256, then the hash, and so on. Yields a `progress` event before each pause. */
export async function* stretch(
  text: string,
  { rounds, signal }: StretchOptions,
): AsyncGenerator<ProgressEvent, Stretched, void> {
  let hash = new Uint8Array(new TextEncoder().encode(text));
  for (let done = 1; done <= rounds; done++) {
    hash = new Uint8Array(await crypto.subtle.digest("SHA-256", hash));
    if (done % batch !== 0) continue;
    yield progress(done, rounds);
    await scheduler.wait(pause, { signal });
  }
  return { digest: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""), rounds };
}
