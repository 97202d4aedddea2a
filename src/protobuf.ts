/**
 * The Protobuf encoding of the protocol, for clients that do not speak JSON: those for Swift, Kotlin and Java, Dart, and
 * C#.
 *
 * ```ts
 * import { createNotifier } from "tocsin";
 * import { protobufCodec } from "tocsin/protobuf";
 *
 * const notifier = createNotifier({ codecs: [protobufCodec] });
 * ```
 *
 * @module
 */
import { protobuf } from "./wire/protobuf-codec.ts";
import type { ProtocolCodec } from "./wire/protocol.ts";

export type { ProtocolCodec } from "./wire/protocol.ts";

/** Lets clients connect that ask for the WebSocket subprotocol `centrifuge-protobuf`. Payloads stay JSON. */
export const protobufCodec: ProtocolCodec = protobuf;
