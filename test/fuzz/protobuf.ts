import { isDeepStrictEqual } from "node:util";
import fc, { type Arbitrary } from "fast-check";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Peer } from "../../src/model/peer.ts";
import { assertQuiet, fakeClock } from "../../src/testing.ts";
import { protobufCodec } from "../../src/wire/protobuf-codec.ts";
import { closes } from "../../src/wire/protocol.ts";
import { smallMessages } from "../support/limits.ts";
import { jsonOf, protobufOf } from "../support/stock-protobuf.ts";
import { isMessage, isOneOf } from "../support/wire-shapes.ts";
import { message } from "./commands.ts";
import { isOurs, peersAt, rpc, startRuns } from "./handlers.ts";

/** A field of a message: its tag, and its content. */
const field: Arbitrary<number[]> = fc.oneof(
  fc
    .tuple(fc.nat(16), fc.nat(7), fc.uint8Array({ maxLength: 12 }))
    .map(([number, type, bytes]) => [number * 8 + type, ...bytes]),
  fc
    .tuple(fc.nat(16), fc.uint8Array({ maxLength: 12 }))
    .map(([number, bytes]) => delimited(number, [...bytes])),
  fc.tuple(fc.nat(16), fc.integer({ min: 1, max: 60 })).map(([number, levels]) => nested(number, levels)),
);

/** Valid commands; and the same cut off, with a byte changed, or with fields that the server does not know. */
const commands: Arbitrary<Uint8Array> = message.map((each) =>
  typeof each === "string" ? protobufOf(each) : each,
);
const frame: Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: commands },
  {
    weight: 2,
    arbitrary: fc.tuple(commands, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % (bytes.length + 1))),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(commands, fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
      return bytes.map((other, place) => (place === at % bytes.length ? byte : other));
    }),
  },
  {
    weight: 4,
    arbitrary: fc.array(field, { maxLength: 5 }).map((fields) => {
      const body = [8, 7, ...fields.flat()];
      return Uint8Array.from([...varint(body.length), ...body]);
    }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 9, 65_537).map((length) => new Uint8Array(length)) },
);

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

function delimited(number: number, bytes: readonly number[]): number[] {
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
}

function nested(number: number, levels: number): number[] {
  let bytes: number[] = [];
  for (let level = 0; level < levels; level++) bytes = delimited(number, bytes);
  return bytes;
}

const { message: maxBytes = Infinity } = smallMessages;

/** What one client sends, beside two others that must not be affected. */
const frames: Arbitrary<Uint8Array[]> = fc.array(frame, { minLength: 1, maxLength: 30, size: "max" });

/** A client that keeps what it was sent, as JSON, and answers pings. */
class Client {
  readonly received: string[] = [];
  readonly wrong: string[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly #session: ReturnType<Notifier["accept"]>;

  constructor(notifier: Notifier, peer: Peer, isProtobuf: boolean) {
    const session = notifier.accept(
      {
        protocol: isProtobuf ? protobufCodec.subprotocol : undefined,
        send: (data) => {
          if ((typeof data === "string") === isProtobuf) this.wrong.push("sent in the other encoding");
          for (const line of (typeof data === "string" ? data : jsonOf(data)).split("\n")) {
            if (!isMessage(JSON.parse(line))) this.wrong.push(`sent ${line}`);
            if (line === "{}") queueMicrotask(() => this.say(isProtobuf ? Uint8Array.of(0) : "{}"));
            else this.received.push(line);
          }
        },
        close: (code, reason) => {
          this.closed = { code, reason };
          queueMicrotask(() => session.ended(code));
        },
      },
      peer,
    );
    this.#session = session;
  }

  say(data: string | Uint8Array): void {
    if (this.closed === undefined) this.#session.receive(data);
  }
}

/** Sends frames from one client, and checks after each that two others get theirs. Rejects with the first fault. */
async function playFrames(all: readonly Uint8Array[]): Promise<void> {
  const clock = fakeClock();
  const errors: unknown[] = [];
  const notifier = createNotifier({
    clock,
    rpc,
    codecs: [protobufCodec],
    limits: smallMessages,
    onError: (error) => void errors.push(error),
    onRefused() {},
  });
  startRuns(notifier);
  const peer = { user: "watcher", authorize: () => true };
  const others = [new Client(notifier, peer, true), new Client(notifier, peer, false)];
  const greeting = '{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"watched"}}';
  others[0]?.say(protobufOf(greeting));
  others[1]?.say(greeting);
  const [sender = peer] = peersAt(() => clock.time());
  let client: Client | undefined;
  for (const [at, bytes] of all.entries()) {
    if (client === undefined || client.closed !== undefined) {
      client = new Client(notifier, sender, true);
      // Every eighth frame comes before the connect.
      if (at % 8 < 7) client.say(protobufOf('{"id":1,"connect":{}}'));
    }
    client.say(bytes);
    await notifier.publish("watched", at);
    await clock.settle();
    const wrong = [...client.wrong, ...others.flatMap((other) => other.wrong)];
    if (client.closed !== undefined && !isOneOf(closes, client.closed))
      wrong.push(`closed as the protocol does not: ${JSON.stringify(client.closed)}`);
    if (bytes.length > maxBytes && client.closed?.code !== 1009) wrong.push("took too much");
    for (const [which, { received }] of others.entries())
      if (!received.at(-1)?.includes(`"data":${at}`)) wrong.push(`the other client ${which} missed ${at}`);
    for (const error of errors.splice(0)) if (!isOurs(error)) wrong.push(`reported: ${String(error)}`);
    if (Object.keys(Object.prototype).length > 0 || "polluted" in {}) wrong.push("every object is polluted");
    if (wrong.length > 0) throw new Error(`Frame ${at}: ${wrong.join("; ")}`);
  }
  // The first reply has the id of the session.
  const [inProtobuf, inJson] = others.map(({ received }) =>
    received.slice(1).map((line) => JSON.parse(line)),
  );
  if (!isDeepStrictEqual(inProtobuf, inJson)) throw new Error("The encodings differ");
  const closed = notifier.close();
  await clock.advance(10_000);
  await closed;
  assertQuiet(notifier);
}

/** Plays the frames of a seed. Returns how many. Rejects with the smallest list found that has a fault. */
export async function fuzzProtobuf(options: {
  seed: number;
  runs: number;
  path?: string | undefined;
}): Promise<number> {
  const { seed, runs: numRuns, path } = options;
  let count = 0;
  const property = fc.asyncProperty(frames, async (all) => {
    count += all.length;
    await playFrames(all);
  });
  await fc.assert(property, { seed, numRuns, ...(path !== undefined && { path }) });
  return count;
}
