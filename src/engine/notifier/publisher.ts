import { checkChannel } from "../../access/peer-check.ts";
import { byteLength, tagBytes } from "../../base/bytes.ts";
import { checkBound, isText } from "../../base/check.ts";
import { ignorable } from "../../base/scope.ts";
import type { AppendOptions, Position } from "../../model/log.ts";
import { type Asked, type DeliveredOptions, levels, type Receipt } from "../../model/receipt.ts";
import { isRunChannel } from "../../model/run.ts";
import { validated } from "../core/event-check.ts";
import { checkTags } from "../core/input-check.ts";
import type { PendingDelivery } from "../delivery/channel-ledger.ts";
import { appendConfirmed } from "../delivery/confirm.ts";
import type { Hub } from "../hub/hub.ts";
import { Idempotency } from "./idempotency.ts";

/** How a publication is made. */
export interface PublishOptions {
  /**
   * Whether it has to arrive: it is waited for until somebody has acknowledged it, or has read it with a client that never
   * acknowledges, and reported as undelivered otherwise. Default false.
   */
  confirm?: boolean | undefined;
  /**
   * Milliseconds after which nobody waits for its delivery any longer, from when it is in the log. It bounds the waiting,
   * and takes nothing out of the log. Default `limits.delivery`.
   */
  ttl?: number | undefined;
  /**
   * Within `limits.idempotency` of the first, publications to the channel with the same key are one: it is appended once,
   * and everybody gets the first receipt. This process remembers it, and so does the log. A text of 1 to 255 characters.
   */
  idempotencyKey?: string | undefined;
  /** Sent along with it. Their names and texts count into `limits.publication`. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** Ends the waiting until it is in the log; with an `idempotencyKey`, which others may share, it is published all the same. */
  signal?: AbortSignal | undefined;
}

/** The longest idempotency key, in characters. */
const longestKey = 255;

/** Publishes: checks, appends once where there is a key, and answers receipts. */
export class Publisher {
  readonly #hub: Hub;
  readonly #once: Idempotency<Receipt>;

  constructor(hub: Hub) {
    this.#hub = hub;
    this.#once = new Idempotency(hub.clock, hub.settings.limits.idempotency);
  }

  publish(channel: string, data: unknown, options: PublishOptions): Promise<Receipt> {
    let text: string;
    try {
      text = this.#checked(channel, data, options);
    } catch (error) {
      return Promise.reject(error);
    }
    const { idempotencyKey: key, signal } = options;
    if (key === undefined) return this.#publish(channel, text, options);
    if (signal?.aborted) return ignorable(Promise.reject(signal.reason));
    return ignorable(this.#shared(channel, text, options, key));
  }

  /** What is wrong with a publication is its author's to know: it is not among what may be ignored. */
  #checked(channel: string, data: unknown, { tags, ttl, idempotencyKey: key }: PublishOptions): string {
    checkChannel(channel, this.#hub.settings.limits.channel);
    if (isRunChannel(channel))
      throw new TypeError(`Cannot publish to ${JSON.stringify(channel)}: only its run does`);
    checkTags(tags);
    if (ttl !== undefined) checkBound("ttl", ttl);
    if (key !== undefined && !isText(key, 1, longestKey)) {
      throw new TypeError(
        `Cannot publish with this idempotency key: it is a text of 1 to ${longestKey} characters`,
      );
    }
    const name = (): string => JSON.stringify(channel);
    const valid = validated(this.#hub.events, data, { verb: "publish", where: () => `to ${name()}` });
    const text = this.#hub.serialise(() => `the payload for ${name()}`, valid);
    const { publication } = this.#hub.settings.limits;
    if (tags !== undefined && byteLength(text) + tagBytes(tags) > publication)
      throw new RangeError(`Cannot publish to ${name()}: with its tags it is over ${publication} bytes`);
    return text;
  }

  /** One that others may share goes on when the first of them stops waiting. */
  #shared(channel: string, text: string, options: PublishOptions, key: string): Promise<Receipt> {
    const { signal, ...rest } = options;
    const first = this.#once.do(JSON.stringify([channel, key]), () => this.#publish(channel, text, rest));
    return this.#hub.scope.waitFor(`publish ${channel}`, signal, first);
  }

  #publish(channel: string, text: string, options: PublishOptions): Promise<Receipt> {
    const { clock, appends, settings } = this.#hub;
    const { tags, signal, confirm = false, ttl = settings.limits.delivery } = options;
    const how = { time: clock.time(), tags, signal, key: this.#keyOf(options) };
    if (confirm) return ignorable(this.#confirm(channel, text, how, ttl));
    const position = appends.append(channel, text, how);
    if (!(position instanceof Promise)) return Promise.resolve(this.#appended(channel, position, how, ttl));
    const appended = (late: Position): Receipt => this.#appended(channel, late, how, ttl);
    return ignorable(position.then(appended));
  }

  #keyOf({ idempotencyKey: text }: PublishOptions): AppendOptions["key"] {
    return text === undefined ? undefined : { text, ttl: this.#hub.settings.limits.idempotency };
  }

  #appended(channel: string, position: Position, { time }: AppendOptions, ttl: number): Receipt {
    return this.#receipt({ channel, position, time, expires: this.#hub.clock.now() + ttl }, undefined);
  }

  async #confirm(channel: string, text: string, how: AppendOptions, ttl: number): Promise<Receipt> {
    const { time, tags, signal } = how;
    const content = {
      data: text,
      tags,
      bytes: byteLength(text) + tagBytes(tags),
      isAwaited: true,
      isEnding: false,
    };
    const confirmation = { channel, content, time, ttl, signal };
    const entry = await appendConfirmed(this.#hub, confirmation, how);
    return this.#receipt({ channel, position: entry.position, time, expires: entry.expires }, entry);
  }

  #receipt(asked: Asked, entry: PendingDelivery | undefined): Receipt {
    const { channel, position } = asked;
    const { ledger } = this.#hub;
    return {
      channel,
      position,
      delivered({ level, by, signal }: DeliveredOptions = {}) {
        if (level !== undefined && !levels.includes(level)) {
          return Promise.reject(new TypeError(`Cannot wait for "${String(level)}": it is no level`));
        }
        return ignorable(ledger.delivered(asked, entry, { level, by }, signal));
      },
    };
  }

  clear(): void {
    this.#once.clear();
  }
}
