import type { Notifier } from "../engine/notifier/notifier.ts";
import type { Position } from "../model/log.ts";
import { type Pipe, pipe } from "./pipe.ts";

/** A publication as a client has received it. */
export interface Received extends Position {
  readonly data: unknown;
}

/** A client that is connected to one node, and follows channels. */
export interface Client {
  readonly pipe: Pipe;
  /** What it has received of a channel, in the order in which it came. */
  of(channel: string): readonly Received[];
  /** How it was told that it cannot follow a channel without a gap, or at all. */
  readonly failures: readonly unknown[];
  /** Acknowledges everything that it has received. */
  acknowledge(): void;
}

interface Message {
  readonly id?: number;
  readonly error?: unknown;
  readonly subscribe?: {
    readonly epoch: string;
    readonly recovered?: boolean;
    readonly was_recovering?: boolean;
    readonly publications?: Pub[];
  };
  readonly push?: { readonly channel: string; readonly pub?: Pub; readonly unsubscribe?: unknown };
}

interface Pub {
  readonly offset: number;
  readonly data: unknown;
}

const start: Position = { offset: 0, epoch: "" };

/** Connects a client, and subscribes it to channels: each from its start, or after a position. */
export function connectTo(
  notifier: Notifier,
  user: string,
  channels: Readonly<Record<string, Position | undefined>>,
): Client {
  const client = pipe(notifier, { peer: { user, authorize: () => true } });
  const names = Object.keys(channels);
  const received = new Map<string, Received[]>(names.map((name) => [name, []]));
  const epochs = new Map<string, string>();
  const failures: unknown[] = [];
  client.send({ id: 1, connect: {} });
  for (const [at, channel] of names.entries())
    client.send({ id: at + 2, subscribe: { channel, recover: true, ...(channels[channel] ?? start) } });

  const take = (channel: string, { offset, data }: Pub): void => {
    received.get(channel)?.push({ offset, data, epoch: epochs.get(channel) ?? "" });
  };
  const read = ({ id = 0, error, subscribe, push }: Message): void => {
    const channel = push?.channel ?? names[id - 2] ?? "";
    const isLost = subscribe?.was_recovering === true && subscribe.recovered !== true;
    if (error !== undefined || isLost || push?.unsubscribe !== undefined)
      failures.push({ channel, error, recovered: subscribe?.recovered, ...push });
    if (subscribe !== undefined) epochs.set(channel, subscribe.epoch);
    for (const pub of subscribe?.publications ?? []) take(channel, pub);
    if (push?.pub !== undefined) take(channel, push.pub);
  };
  const readAll = (): void => {
    for (const message of client.take()) read(message as Message);
  };
  return {
    pipe: client,
    of(channel) {
      readAll();
      return received.get(channel) ?? [];
    },
    get failures() {
      readAll();
      return failures;
    },
    acknowledge() {
      readAll();
      const last = [...received].flatMap(([name, pubs]) =>
        pubs.slice(-1).map(({ offset, epoch }) => [name, { offset, epoch }]),
      );
      client.send({ send: { data: { ack: Object.fromEntries(last) } } });
    },
  };
}
