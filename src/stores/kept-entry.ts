import { LinkedNode } from "../base/linked-list.ts";
import type { Entry } from "../model/log.ts";

/** An entry and its places. There are hundreds of thousands of them: what a reader is given is made when it is read. */
export class KeptEntry<Owner = unknown> extends LinkedNode {
  readonly channel: Owner;
  readonly offset: number;
  readonly data: string;
  readonly time: number;
  readonly tags: Entry["tags"];
  readonly bytes: number;
  readonly arrived: number;

  constructor(channel: Owner, { offset, data, time, tags }: Entry, bytes: number, arrived: number) {
    super();
    this.channel = channel;
    this.offset = offset;
    this.data = data;
    this.time = time;
    this.tags = tags;
    this.bytes = bytes;
    this.arrived = arrived;
  }

  get entry(): Entry {
    const { offset, data, time, tags } = this;
    return { offset, data, time, tags };
  }
}
