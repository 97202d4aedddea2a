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

export { protobufCodec } from "./wire/protobuf-codec.ts";
export type { ProtocolCodec } from "./wire/protocol.ts";
