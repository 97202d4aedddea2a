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

/** Options of `publish()`. */
export interface PublishOptions {
  /**
   * Whether the publication must be delivered. The notifier waits until a client has acknowledged it, or until a client
   * that never acknowledges has read it. Otherwise the publication is reported as undelivered. Default false.
   */
  confirm?: boolean | undefined;
  /**
   * How long the notifier waits for the delivery, in milliseconds from when the publication is in the log. It removes
   * nothing from the log. Default `limits.delivery`.
   */
  ttl?: number | undefined;
  /**
   * Publications to one channel with the same key, within `limits.idempotency` of the first, count as one. It is
   * appended once, and every call gets the first receipt. This process remembers the key, and the log does, too. A
   * string of 1 to 255 characters.
   */
  idempotencyKey?: string | undefined;
  /** Tags that are sent with the publication. Their names and values count for `limits.publication`. */
  tags?: Readonly<Record<string, string>> | undefined;
  /**
   * Ends the wait until the publication is in the log. Once it was sent to a log of several processes, it may be published
   * all the same. With an `idempotencyKey` it is, because other calls may share it.
   */
  signal?: AbortSignal | undefined;
}

/** The maximum length of an idempotency key, in characters. */
const maxKeyLength = 255;

/** Publishes: checks a publication, appends it, only once if it has a key, and returns the receipt. */
export class Publisher {
  readonly #hub: Hub;
  readonly #idempotency: Idempotency<Receipt>;

  constructor(hub: Hub) {
    this.#hub = hub;
    this.#idempotency = new Idempotency(hub.clock, hub.settings.limits.idempotency);
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

  /**
   * Returns the payload as JSON text. Throws for a mistake of the caller, which must not go unnoticed: unlike the other
   * errors, it is not marked as ignorable.
   */
  #checked(channel: string, data: unknown, { tags, ttl, idempotencyKey: key }: PublishOptions): string {
    checkChannel(channel, this.#hub.settings.limits.channel);
    if (isRunChannel(channel))
      throw new TypeError(`Cannot publish to ${JSON.stringify(channel)}: only its run does`);
    checkTags(tags);
    if (ttl !== undefined) checkBound("ttl", ttl);
    if (key !== undefined && !isText(key, 1, maxKeyLength)) {
      throw new TypeError(
        `Cannot publish with this idempotency key: a key is a text of 1 to ${maxKeyLength} characters`,
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

  /** Other calls may share the publication, so it continues when the first call stops waiting. */
  #shared(channel: string, text: string, options: PublishOptions, key: string): Promise<Receipt> {
    const { signal, ...rest } = options;
    const first = this.#idempotency.do(JSON.stringify([channel, key]), () =>
      this.#publish(channel, text, rest),
    );
    return this.#hub.scope.waitFor(`publish ${channel}`, signal, first);
  }

  #publish(channel: string, text: string, options: PublishOptions): Promise<Receipt> {
    const { clock, appends, settings } = this.#hub;
    const { tags, signal, confirm = false, ttl = settings.limits.delivery } = options;
    const appendOptions = { time: clock.time(), tags, signal, key: this.#keyOf(options) };
    if (confirm) return ignorable(this.#confirm(channel, text, appendOptions, ttl));
    const position = appends.append(channel, text, appendOptions);
    if (!(position instanceof Promise))
      return Promise.resolve(this.#appended(channel, position, appendOptions, ttl));
    const appended = (late: Position): Receipt => this.#appended(channel, late, appendOptions, ttl);
    return ignorable(position.then(appended));
  }

  #keyOf({ idempotencyKey: text }: PublishOptions): AppendOptions["key"] {
    return text === undefined ? undefined : { text, ttl: this.#hub.settings.limits.idempotency };
  }

  #appended(channel: string, position: Position, { time }: AppendOptions, ttl: number): Receipt {
    return this.#receipt({ channel, position, time, expires: this.#hub.clock.now() + ttl }, undefined);
  }

  async #confirm(channel: string, text: string, appendOptions: AppendOptions, ttl: number): Promise<Receipt> {
    const { time, tags, signal } = appendOptions;
    const record = this.#hub.records.create({ is: "confirmed", expires: time + ttl, isEnding: false });
    const content = {
      data: text,
      tags,
      bytes: byteLength(text) + tagBytes(tags),
      isAwaited: true,
      isEnding: false,
      record,
    };
    const confirmation = { channel, content, time, ttl, signal };
    const entry = await appendConfirmed(this.#hub, confirmation, appendOptions);
    return this.#receipt({ channel, position: entry.position, time, expires: entry.due }, entry);
  }

  #receipt(asked: Asked, entry: PendingDelivery | undefined): Receipt {
    const { channel, position } = asked;
    const { ledger } = this.#hub;
    return {
      channel,
      position,
      delivered({ level, by, signal }: DeliveredOptions = {}) {
        if (level !== undefined && !levels.includes(level)) {
          return Promise.reject(
            new TypeError(`Cannot wait for "${String(level)}": a level is ${levels.join(", ")}`),
          );
        }
        return ignorable(ledger.delivered(asked, entry, { level, by }, signal));
      },
    };
  }

  clear(): void {
    this.#idempotency.clear();
  }
}
