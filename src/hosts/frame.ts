import { Buffer } from "node:buffer";

/**
 * Returns a message as one frame of a server: FIN and the opcode, 1 for text and 2 for bytes; the size in 7, 16 or 64
 * bits; and no mask.
 */
export function frameOf(message: string | Uint8Array): Buffer {
  const size = Buffer.byteLength(message);
  const head = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + size);
  frame[0] = typeof message === "string" ? 0x81 : 0x82;
  if (head === 2) frame[1] = size;
  else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(size, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(size), 2);
  }
  if (typeof message === "string") frame.write(message, head);
  else frame.set(message, head);
  return frame;
}
