import process from "node:process";
import { type CloseReport, LogError, type Notifier } from "tocsin";

/** The part of a server that is shown in the terminal. */
interface Listening {
  url: string;
  closed: Promise<CloseReport>;
}

/** Calls the program. If it throws, prints the reason, and the process ends with code 1. */
export async function start(program: () => Promise<void>): Promise<void> {
  try {
    await program();
  } catch (error) {
    console.error(`Cannot start: ${reasonOf(error)}`);
    process.exitCode = 1;
  }
}

/**
 * Opens a server on port 3000, or on the port in `PORT`, and prints its URL. Waits until the server has closed, and
 * prints the report. If the log has failed for good, the process ends with code 1.
 */
export async function attend(notifier: Notifier, open: (port: number) => Promise<Listening>): Promise<void> {
  // If the server cannot be opened, nothing else closes the notifier, and its log would keep the process alive.
  await using _ = notifier;
  const { url, closed } = await open(portOf(process.env.PORT ?? "3000"));
  // If the log can never be used, the server closes at once, and the reason was printed.
  if (!notifier.closing.aborted) console.log(`Fingerprints are taken at ${url} (Ctrl-C stops)`);
  const names = namesOfRuns(notifier);
  console.log(readable(await closed, names));
  if (notifier.closing.reason instanceof LogError) process.exitCode = 1;
}

/** Reads a port, as it is given in `PORT`. */
export function portOf(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new RangeError(`PORT is ${JSON.stringify(text)}, not a number from 0 to 65535`);
}

function reasonOf(error: unknown): string {
  const { PORT: port = "3000" } = process.env;
  const { code, name, message } = error as Error & { code?: string };
  if (code === "EADDRINUSE" || name === "AddrInUse")
    return `port ${port} is taken; choose another with PORT=3001`;
  if (code === "EACCES" || name === "PermissionDenied")
    return `port ${port} needs privileges; choose another with PORT=3001`;
  return message;
}

/**
 * Returns a map that gets the names of the runs when closing begins. After closing, the notifier has no runs any more.
 */
function namesOfRuns(notifier: Notifier): Map<string, string> {
  const names = new Map<string, string>();
  const remember = (): void => {
    for (const { id, name } of notifier.runs.list()) names.set(id, name ?? id);
  };
  notifier.closing.addEventListener("abort", remember, { once: true });
  return names;
}

function readable({ runs, sessions, cut, milliseconds }: CloseReport, names: Map<string, string>): string {
  const lines = [`Stopped in ${milliseconds} ms.`];
  for (const [ending, ids] of Object.entries(runs)) {
    for (const id of ids) lines.push(`  Run ${id} of ${names.get(id)}: ${ending}`);
  }
  if (Object.values(runs).flat().length === 0) lines.push("  No run was working.");
  lines.push(`  Connections: ${sessions.closed} closed with everything read, ${sessions.cut} cut`);
  for (const { session, channels } of cut) {
    for (const [channel, { read, top }] of Object.entries(channels)) {
      lines.push(`  Connection ${session} was cut: it read ${channel} up to offset ${read} of ${top}`);
    }
  }
  return lines.join("\n");
}
