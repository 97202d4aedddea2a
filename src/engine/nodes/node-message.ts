import { readFormatted, textOf } from "../../base/formatted.ts";

/** A message from one node to another. */
export interface NodeMessage {
  /** The id of the node that sent it. */
  readonly from: string;
  /** What it is about; see `Nodes.on`. */
  readonly kind: string;
  readonly body: unknown;
  /** Of a question: what its answers are recognised by. */
  readonly asks?: string | undefined;
  /** Of an answer: what its question was recognised by. */
  readonly answers?: string | undefined;
}

/** The format of the messages. A node ignores messages of another format, and counts them. */
const format = 1;

/** The channel that all nodes read. No client can name it, nor an inbox: such names begin with NUL. */
export const everybody = "\0all";

/** Returns the channel that one node reads. */
export function inboxOf(node: string): string {
  return `\0node:${node}`;
}

/** Returns a message as text for a log. */
export function encoded(message: NodeMessage): string {
  return JSON.stringify({ format, ...message });
}

/** Reads a message. Returns undefined for a format that this version does not know. */
export function decoded(text: string): NodeMessage | undefined {
  const read = readFormatted(text, format);
  if (read === undefined) return undefined;
  const { from, kind, body, asks, answers } = read;
  if (typeof from !== "string" || typeof kind !== "string") return undefined;
  return { from, kind, body, asks: textOf(asks), answers: textOf(answers) };
}
