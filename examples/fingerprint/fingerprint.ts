import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { output, type ProgressEvent, progress, type RunEvent } from "tocsin/run";

/** The result of a fingerprint run. */
export interface Fingerprint {
  /** SHA-256, in hex, over a line `path NUL hash LF` for every file read, sorted by the bytes of the paths. */
  digest: string;
  files: number;
  /** Bytes read. */
  bytes: number;
  /** Files and folders that could not be read. They are not part of the digest. */
  unreadable: number;
  /** Symbolic links, sockets, pipes and devices, which are not read. */
  skipped: number;
  seconds: number;
}

/** Options of `fingerprint`. */
export interface FingerprintOptions {
  /** Ends the work: `fingerprint` then throws the signal's reason. */
  signal: AbortSignal;
  /** Returns the time in milliseconds. Default: `performance.now`. */
  now?: (() => number) | undefined;
  /** The maximum number of files hashed per second. Default: no limit. */
  filesPerSecond?: number | undefined;
  /**
   * Waits for that many milliseconds. Rejects when the signal aborts. Default: `setTimeout` of `node:timers/promises`.
   */
  wait?: ((milliseconds: number, signal: AbortSignal) => Promise<unknown>) | undefined;
}

/** The minimum time in milliseconds between two progress events. */
const interval = 100;
/** The number of bytes read at once. */
const chunk = 65_536;
/** Milliseconds by which the work may be ahead of `filesPerSecond`. A timer is not more precise. */
const slack = 10;
/** The maximum number of unreadable files that are reported by name. All of them are counted. */
const named = 100;

/**
 * Takes the fingerprint of a folder: lists it, then hashes every file with SHA-256.
 *
 * Yields `listing` events, then `progress` events, at most ten per second. Always yields the last state, even if it
 * throws. For a file that cannot be read it yields an `output` event, and counts the file. This also applies to a
 * subfolder that cannot be listed. Throws if the folder itself cannot be listed.
 */
export async function* fingerprint(
  folder: string,
  {
    signal,
    now = () => performance.now(),
    filesPerSecond = Number.POSITIVE_INFINITY,
    wait = (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
  }: FingerprintOptions,
): AsyncGenerator<RunEvent, Fingerprint, void> {
  const tally = createTally(now);
  const keepPace = async (): Promise<void> => {
    const ahead = tally.ahead(filesPerSecond);
    // The timer rejects with an error of its own. This throws the signal's reason instead.
    if (ahead > slack) await wait(ahead, signal).catch(() => signal.throwIfAborted());
  };
  try {
    yield* list(folder, tally, signal);
    yield* hash(folder, tally, signal, keepPace);
  } catch (error) {
    yield tally.state();
    throw error;
  }
  const { digest, files, bytes, unreadable, skipped } = tally;
  return { digest, files, bytes, unreadable, skipped, seconds: tally.seconds() };
}

/** Lists the folder without following links, and adds the paths of its files to the tally. */
async function* list(
  folder: string,
  tally: Tally,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, void, void> {
  const folders = [""];
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    signal.throwIfAborted();
    try {
      for (const entry of await readdir(join(folder, path), { withFileTypes: true })) {
        // Paths have slashes on every system, so that the digest is the same.
        const child = path === "" ? entry.name : `${path}/${entry.name}`;
        if (entry.isDirectory()) folders.push(child);
        else if (entry.isFile()) tally.paths.push(child);
        else tally.skipped++;
      }
    } catch (error) {
      if (path === "")
        throw new Error(`Cannot list ${JSON.stringify(folder)}: ${codeOf(error)}`, { cause: error });
      yield* tally.failed(path, error);
    }
    tally.file = path;
    if (tally.due()) yield tally.state();
  }
  tally.listed();
  yield tally.state();
}

async function* hash(
  folder: string,
  tally: Tally,
  signal: AbortSignal,
  keepPace: () => Promise<void>,
): AsyncGenerator<RunEvent, void, void> {
  const manifest = createHash("sha256");
  const buffer = new Uint8Array(chunk);
  for (const path of sorted(tally.paths)) {
    const content = createHash("sha256");
    tally.file = path;
    try {
      for await (const part of contents(join(folder, path), buffer, signal)) {
        content.update(part);
        tally.bytes += part.length;
        if (tally.due()) yield tally.state();
      }
      manifest.update(`${path}\0${content.digest("hex")}\n`);
      tally.files++;
    } catch (error) {
      signal.throwIfAborted();
      yield* tally.failed(path, error);
    }
    tally.done++;
    if (tally.due()) yield tally.state();
    await keepPace();
  }
  tally.digest = manifest.digest("hex");
  yield tally.state();
}

/** Reads a file in chunks, always into the same buffer. */
async function* contents(
  path: string,
  buffer: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  signal.throwIfAborted();
  // The file may have been replaced by a link since it was listed, and O_NOFOLLOW refuses links. Windows lacks this
  // flag.
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      signal.throwIfAborted();
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

type Tally = ReturnType<typeof createTally>;

/** Creates the state of a fingerprint: its counts, and the time of its last event. */
function createTally(now: () => number) {
  const began = now();
  let hashing: number | undefined;
  let reported = Number.NEGATIVE_INFINITY;
  const tally = {
    paths: [] as string[],
    digest: "",
    /** The path of the current file. While listing: the path of the current folder. */
    file: "",
    /** The number of processed files, readable or not. */
    done: 0,
    files: 0,
    bytes: 0,
    unreadable: 0,
    skipped: 0,
    seconds: (): number => (now() - began) / 1000,
    due: (): boolean => now() - reported >= interval,
    /** Returns by how many milliseconds the hashed files are ahead of `filesPerSecond`. */
    ahead: (filesPerSecond: number): number =>
      (tally.done * 1000) / filesPerSecond - (now() - (hashing ?? began)),
    listed(): void {
      hashing = now();
      tally.file = "";
    },
    state(): RunEvent {
      reported = now();
      const { paths, done, file, bytes, unreadable } = tally;
      if (hashing === undefined) return { type: "listing", files: paths.length, file };
      const seconds = (reported - hashing) / 1000;
      const rate = (amount: number) => (seconds > 0 ? Math.round(amount / seconds) : 0);
      const rates = { bytesPerSecond: rate(bytes), filesPerSecond: rate(done) };
      return progressOf(done, paths.length, { bytes, file, unreadable, ...rates });
    },
    *failed(path: string, error: unknown): Generator<RunEvent, void, void> {
      tally.unreadable++;
      if (tally.unreadable <= named) yield output({ path, error: codeOf(error) });
    },
  };
  return tally;
}

/** Returns a progress event. A folder without files has the progress 1. */
function progressOf(done: number, total: number, details: Record<string, unknown>): ProgressEvent {
  if (total > 0) return progress(done, total, details);
  return { ...details, type: "progress", progress: 1, done: 0, total: 0 };
}

/** Returns the system's error code, such as `"EACCES"`, or the name of the error. */
function codeOf(error: unknown): string {
  const { code, name } = error as Error & { code?: unknown };
  return typeof code === "string" ? code : name;
}

/** Sorts by bytes, as `LC_ALL=C sort` does, so that a user can check the digest with other tools. */
function sorted(paths: readonly string[]): string[] {
  const keyed = paths.map((path) => ({ path, key: Buffer.from(path) }));
  return keyed.sort((one, other) => Buffer.compare(one.key, other.key)).map(({ path }) => path);
}
