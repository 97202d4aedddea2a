import { LinkedNode } from "../base/linked-list.ts";
import type { Entry } from "../model/log.ts";

/**
 * An entry with its links in the list. There are hundreds of thousands of them, so the object for a reader is created
 * when it is read.
 */
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
