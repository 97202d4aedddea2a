import fc, { type Arbitrary } from "fast-check";
import { upgrade } from "../support/tcp.ts";
import { message } from "./commands.ts";

/** The bytes that one TCP connection sends, and how the connection ends. */
export interface Connection {
  readonly handshake: string;
  readonly frames: readonly Uint8Array[];
  /** The size in bytes of the pieces that are sent. 0: everything is sent at once. */
  readonly pieces: number;
  readonly ending: "close" | "end" | "reset";
}

interface Head {
  fin: boolean;
  rsv: number;
  opcode: number;
  /** The masking key. Undefined: the frame is not masked. */
  mask: readonly number[] | undefined;
  /**
   * How the length is encoded: `"least"`: correctly; `"two"` or `"eight"`: in that many bytes, even if fewer suffice;
   * `"wrong"`: too high.
   */
  length: "least" | "two" | "eight" | "wrong";
}

const mask = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const rarely = <T>(usual: T, other: Arbitrary<T>): Arbitrary<T> =>
  fc.oneof({ weight: 30, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const head: Arbitrary<Head> = fc.record({
  fin: rarely(true, fc.constant(false)),
  rsv: rarely(0, fc.integer({ min: 1, max: 7 })),
  opcode: rarely(1, fc.nat(15)),
  mask: fc.oneof({ weight: 30, arbitrary: mask }, { weight: 1, arbitrary: fc.constant(undefined) }),
  length: rarely<Head["length"]>("least", fc.constantFrom("two", "eight", "wrong")),
});

const payload: Arbitrary<Uint8Array> = fc.oneof(
  { weight: 20, arbitrary: message.map(bytesOf) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 130 }) },
  // Text that is not UTF-8.
  {
    weight: 1,
    arbitrary: fc
      .tuple(message.map(bytesOf), fc.nat(), fc.integer({ min: 128, max: 255 }))
      .map(([bytes, at, byte]) => replaced(bytes, at, byte)),
  },
);

/** The frames of one message. Mostly there is one frame. */
const messageFrames: Arbitrary<Uint8Array[]> = fc.oneof(
  { weight: 20, arbitrary: fc.tuple(head, payload).map(([head, payload]) => [frame(payload, head)]) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(head, payload, fc.integer({ min: 1, max: 60 }), fc.boolean())
      .map(([head, payload, size, interrupted]) => inParts(payload, head, size, interrupted)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(head, fc.constantFrom(9, 10), fc.uint8Array({ maxLength: 126 }))
      .map(([head, opcode, payload]) => [frame(payload, { ...head, opcode })]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(head, fc.nat(65_535), fc.uint8Array({ maxLength: 130 }))
      .map(([head, code, reason]) => [
        frame(Uint8Array.of(code >> 8, code, ...reason), { ...head, opcode: 8 }),
      ]),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => [bytes]) },
);

const path = fc.constantFrom("/0", "/0", "/1", "/1", "/2");
const headers = upgrade("/").split("\r\n").slice(1, -2);

/**
 * A handshake. Mostly it is correct. Otherwise a line is added, removed, doubled or changed, a byte is replaced, or the
 * end is missing.
 */
const handshake: Arbitrary<string> = fc.oneof(
  { weight: 20, arbitrary: path.map((path) => upgrade(path)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(path, fc.nat(headers.length - 1), line())
      .map(([path, at, line]) => request(path, changed(at, line))),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(path, fc.nat(), fc.nat(255)).map(([path, at, byte]) => {
      const whole = upgrade(path);
      const place = at % whole.length;
      return whole.slice(0, place) + String.fromCharCode(byte) + whole.slice(place + 1);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(path, fc.nat(200)).map(([path, length]) => upgrade(path).slice(0, length)),
  },
);

function line(): Arbitrary<string[]> {
  const value = fc.oneof(
    fc.constantFrom(
      "",
      "websocket",
      "h2c",
      "Upgrade",
      "keep-alive, Upgrade",
      "13",
      "8",
      "centrifuge-json",
      "a b",
      "[::1",
    ),
    fc.constantFrom(
      "localhost",
      "http://localhost",
      "null",
      "http://elsewhere.example",
      "x".repeat(9_000),
      "é",
      "\0",
    ),
    fc.string({ maxLength: 20 }),
  );
  const name = fc.oneof(
    fc.constantFrom(
      ...headers.map((header) => header.split(":")[0] as string),
      "Origin",
      "Sec-WebSocket-Protocol",
    ),
    fc.constantFrom("Sec-WebSocket-Extensions", "Content-Length", "Transfer-Encoding", "Cookie", "Expect"),
  );
  return fc.array(
    fc.tuple(name, value).map(([name, value]) => `${name}: ${value}`),
    { maxLength: 3 },
  );
}

export const connection: Arbitrary<Connection> = fc.record({
  handshake,
  frames: fc.array(messageFrames, { maxLength: 15, size: "max" }).map((all) => all.flat()),
  pieces: fc.constantFrom(0, 0, 0, 1, 7, 100),
  ending: fc.constantFrom("close", "end", "reset"),
});

function request(path: string, lines: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

/** The headers, one of them with others in its place. */
function changed(at: number, lines: readonly string[]): string[] {
  return headers.flatMap((header, index) => (index === at ? [...lines] : [header]));
}

function bytesOf(message: string | Uint8Array): Uint8Array {
  return typeof message === "string" ? new TextEncoder().encode(message) : message;
}

function replaced(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  return bytes.map((other, place) => (place === at % bytes.length ? byte : other));
}

function inParts(payload: Uint8Array, head: Head, size: number, interrupted: boolean): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const step = Math.max(size, Math.ceil(payload.length / 200));
  for (let at = 0; at < payload.length; at += step) {
    const fin = at + step >= payload.length;
    parts.push(frame(payload.subarray(at, at + step), { ...head, fin, opcode: at === 0 ? head.opcode : 0 }));
    if (interrupted) parts.push(frame(Uint8Array.of(at), { ...head, fin: true, opcode: 9 }));
  }
  return parts;
}

function frame(payload: Uint8Array, { fin, rsv, opcode, mask, length }: Head): Uint8Array {
  const stated = length === "wrong" ? payload.length + 3 : payload.length;
  const size =
    length === "eight" || stated > 65_535
      ? [127, 0, 0, 0, 0, stated >>> 24, stated >>> 16, stated >>> 8, stated]
      : length === "two" || stated > 125
        ? [126, stated >> 8, stated]
        : [stated];
  size[0] = (size[0] as number) | (mask === undefined ? 0 : 0x80);
  const masked = mask === undefined ? payload : payload.map((byte, at) => byte ^ (mask[at & 3] as number));
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode, ...size, ...(mask ?? [])];
  const whole = new Uint8Array(head.length + masked.length);
  whole.set(head);
  whole.set(masked, head.length);
  return whole;
}
