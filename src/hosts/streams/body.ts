import type { Context } from "hono";
import { systemClock } from "../../base/clock.ts";
import type { Admission } from "../admission.ts";

/** Milliseconds within which a body has to come. */
const patience = 10_000;

/**
 * Returns the text of a request's body. Throws an HTTPException if it has more than `most` bytes, does not come in time,
 * or is not UTF-8. No more than `most` bytes are kept.
 */
export async function readBody(c: Context, admission: Admission, most: number): Promise<string> {
  const tooLarge = (): Error => {
    const text = `Cannot read the message: it has more than ${most} bytes`;
    return admission.refuse(c, 413, `the body has more than ${most} bytes`, { text });
  };
  if (Number(c.req.header("content-length") ?? 0) > most) throw tooLarge();
  // Middleware may have read the body, and then Hono has it.
  const body = c.req.raw.bodyUsed ? new Blob([await c.req.arrayBuffer()]).stream() : c.req.raw.body;
  const bytes = body === null ? [] : await chunksOf(c, admission, body, most);
  if (bytes === undefined) throw tooLarge();
  try {
    return await textOf(bytes);
  } catch {
    const text = "Cannot read the message: it is not UTF-8";
    throw admission.refuse(c, 400, "the body is not UTF-8", { text });
  }
}

/** Returns the chunks of a body, or undefined if there are too many bytes. */
async function chunksOf(
  c: Context,
  admission: Admission,
  body: ReadableStream<Uint8Array>,
  most: number,
): Promise<Uint8Array[] | undefined> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let isLate = false;
  const timer = systemClock.timer(patience, () => {
    isLate = true;
    reader.cancel().catch(() => {});
  });
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      size += read.value.byteLength;
      if (size > most) {
        reader.cancel().catch(() => {});
        return undefined;
      }
      chunks.push(read.value);
    }
  } catch {
    throw admission.refuse(c, 400, "the body broke off");
  } finally {
    timer.cancel();
  }
  if (isLate) throw admission.refuse(c, 408, `the body had not come after ${patience} ms`);
  return chunks;
}

/** Decodes chunks. Throws a TypeError if they are not UTF-8. */
async function textOf(chunks: readonly Uint8Array[]): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
}
