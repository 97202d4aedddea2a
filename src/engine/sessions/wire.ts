import type { Codec } from "../../wire/protocol.ts";
import { FrameCache } from "./frame-cache.ts";
import { ReplyCache } from "./reply-cache.ts";

/** How some sessions are written to: a codec, and what it has encoded last. */
export class Wire {
  readonly codec: Codec;
  readonly frames: FrameCache;
  readonly replies: ReplyCache;

  constructor(codec: Codec) {
    this.codec = codec;
    this.frames = new FrameCache(codec);
    this.replies = new ReplyCache(codec);
  }

  /** Drops at the end of a turn what is not needed in the next one. */
  tidy(): void {
    this.frames.clear();
    this.replies.tidy();
  }
}
