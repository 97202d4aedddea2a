import { once } from "node:events";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { type Inbox, inbox } from "../support/inbox.ts";

interface Who {
  info: { user: string };
}

/** A message of the server. */
export interface Message {
  id?: number;
  connect?: { client: string; ping?: number; pong?: boolean };
  push?: { channel: string; pub?: { data: unknown; offset: number }; join?: Who; leave?: Who };
  [more: string]: unknown;
}

/** A client that speaks the protocol by hand. */
export interface RawPeer {
  readonly messages: Inbox<Message>;
  readonly closed: Inbox<[code: number, reason: string]>;
  /** The number of pings that came. */
  readonly pings: number;
  /** Whether it answers pings. Default: true. */
  answers: boolean;
  send(...messages: object[]): void;
  /** Sends a command, and returns its reply. */
  call(command: object): Promise<Message>;
  /** Returns the data of the publications that came on a channel. */
  data(channel: string): unknown[];
  /** Returns the data of a channel once there are `count` publications. */
  until(channel: string, count: number): Promise<unknown[]>;
  /** Returns the first message for which `is` holds, once it has come. */
  first(is: (message: Message) => boolean): Promise<Message>;
  readonly socket: WebSocket;
}

/** Connects a client, which is cut after the test. */
export async function rawPeer(url: string): Promise<RawPeer> {
  const socket = new WebSocket(url.replace("http:", "ws:"));
  onTestFinished(() => socket.terminate());
  const messages = inbox<Message>();
  const closed = inbox<[number, string]>();
  const answers = new Map<number, (reply: Message) => void>();
  let ids = 0;
  let pings = 0;
  const peer: RawPeer = {
    messages,
    closed,
    answers: true,
    socket,
    get pings() {
      return pings;
    },
    send: (...commands) => socket.send(commands.map((each) => JSON.stringify(each)).join("\n")),
    call: (command) =>
      new Promise((resolve) => {
        answers.set(++ids, resolve);
        peer.send({ id: ids, ...command });
      }),
    async until(channel, count) {
      for (let next = 1; peer.data(channel).length < count; next++) await messages.until(next);
      return peer.data(channel);
    },
    async first(is) {
      for (let next = 1; ; next++) {
        const found = messages.items.find(is);
        if (found !== undefined) return found;
        await messages.until(next);
      }
    },
    data: (channel) =>
      messages.items.flatMap(({ push }) => (push?.channel === channel && push.pub ? [push.pub.data] : [])),
  };
  socket.on("message", (frame) => {
    for (const line of String(frame).split("\n").filter(Boolean)) {
      const message: Message = JSON.parse(line);
      if (line === "{}") {
        pings++;
        if (peer.answers) socket.send("{}");
      } else if (message.id !== undefined) answers.get(message.id)?.(message);
      else messages.add(message);
    }
  });
  socket.on("close", (code, reason) => closed.add([code, String(reason)]));
  await once(socket, "open");
  return peer;
}
