import { once } from "node:events";
import { WebSocket } from "ws";

/** A message of the server. */
export interface Message {
  readonly id?: number;
  readonly error?: { readonly code: number };
  readonly push?: { readonly channel: string; readonly pub?: { readonly offset: number } };
  readonly [member: string]: unknown;
}

/** One of many clients. It speaks the protocol by hand, and keeps nothing of what it is sent. */
export interface Member {
  readonly socket: WebSocket;
  /** Whether it answers pings. Default: true. */
  answers: boolean;
  /** Number of publications that it has been sent. */
  published: number;
  /** Number of pings that it has been sent. */
  pings: number;
  /** Sends commands in one message. Resolves with their replies, in order. */
  ask(...commands: object[]): Promise<Message[]>;
  send(...commands: object[]): void;
  /** Resolves once it has been sent so many publications. */
  until(published: number): Promise<void>;
  /** Resolves with the code with which the server closes it. */
  readonly closed: Promise<number>;
}

/** Connects a client. */
export async function join(url: string): Promise<Member> {
  // Compression would take most of the memory and of the time.
  const socket = new WebSocket(url.replace(/^http/, "ws"), { perMessageDeflate: false });
  let ids = 0;
  const asked = new Map<number, (reply: Message) => void>();
  let waiting: { count: number; resolve(): void } | undefined;
  const member: Member = {
    socket,
    answers: true,
    published: 0,
    pings: 0,
    ask: (...commands) =>
      Promise.all(sent(commands).map((id) => new Promise<Message>((resolve) => asked.set(id, resolve)))),
    send: (...commands) => void sent(commands),
    until: (count) =>
      new Promise((resolve) => {
        if (member.published >= count) resolve();
        else waiting = { count, resolve };
      }),
    closed: new Promise((resolve) => socket.once("close", resolve)),
  };
  const sent = (commands: object[]): number[] => {
    const all = commands.map((command) => ({ id: ++ids, ...command }));
    socket.send(all.map((each) => JSON.stringify(each)).join("\n"));
    return all.map(({ id }) => id);
  };
  socket.on("message", (frame) => {
    for (const line of String(frame).split("\n")) {
      if (line === "{}") {
        member.pings++;
        if (member.answers) socket.send("{}");
      } else if (line.startsWith('{"push"')) {
        if (line.includes('"pub":')) member.published++;
      } else {
        const reply: Message = JSON.parse(line);
        asked.get(reply.id as number)?.(reply);
        asked.delete(reply.id as number);
      }
    }
    if (waiting !== undefined && member.published >= waiting.count) waiting.resolve();
  });
  await once(socket, "open");
  return member;
}

/** Connects many clients, `atOnce` at a time, and lets each begin. */
export async function crowd(
  count: number,
  url: (index: number) => string,
  begin: (member: Member, index: number) => Promise<unknown>,
  atOnce = 50,
): Promise<Member[]> {
  const members: Member[] = [];
  while (members.length < count) {
    const first = members.length;
    const some = Array.from({ length: Math.min(atOnce, count - first) }, async (_, at) => {
      const member = await join(url(first + at));
      await begin(member, first + at);
      return member;
    });
    members.push(...(await Promise.all(some)));
  }
  return members;
}
