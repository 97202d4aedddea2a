import { once } from "node:events";

/** Writes text. Resolves once the output can take more. Rejects when the signal aborts while it cannot. */
export async function print(output: NodeJS.WritableStream, text: string, signal: AbortSignal): Promise<void> {
  if (!output.write(text)) await once(output, "drain", { signal });
}
