import { stored } from "../text.ts";

/** Into how many buckets the channels are divided. Those of one bucket are on the same shard of a Cluster. */
export const buckets = 256;

/**
 * Names the keys of a log. Every key has the bucket of its channel as its hash tag. So a script may write a channel
 * together with what is held of it, and all that a member holds is found in as many steps as there are buckets.
 */
export class Keys {
  readonly #prefix: string;

  /** @throws {TypeError} when the prefix contains a brace, which would be another hash tag */
  constructor(prefix: string) {
    if (/[{}]/.test(prefix))
      throw new TypeError(
        `Cannot use prefix ${JSON.stringify(prefix)}: braces are for the hash tags of the keys`,
      );
    this.#prefix = prefix;
  }

  /** The key of a channel. Wakes are published under the same name. */
  channel(name: string): string {
    return `${this.#prefix}{${bucketOf(name)}}c:${stored(name)}`;
  }

  /** The key of what the members hold of the channels of a bucket. */
  held(bucket: number): string {
    return `${this.#prefix}{${bucket}}held`;
  }

  /** The key of a publisher's own key for a publication. */
  mark(channel: string, text: string): string {
    const name = stored(channel);
    return `${this.#prefix}{${bucketOf(channel)}}k:${name.length}:${name}:${stored(text)}`;
  }

  /** The key of the members. */
  get members(): string {
    return `${this.#prefix}{0}members`;
  }

  /** The name under which a process publishes to itself, on the shard of a bucket. */
  probe(bucket: number, id: string): string {
    return `${this.#prefix}{${bucket}}probe:${id}`;
  }
}

/** Returns the bucket of a channel: FNV-1a of its name. */
export function bucketOf(channel: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < channel.length; index++) {
    hash = Math.imul(hash ^ channel.charCodeAt(index), 0x01000193);
  }
  return ((hash >>> 24) ^ (hash >>> 16) ^ (hash >>> 8) ^ hash) & (buckets - 1);
}
