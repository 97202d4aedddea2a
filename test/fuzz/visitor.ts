import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import type { Peer } from "../../src/model/peer.ts";
import type { Session } from "../../src/model/socket.ts";
import type { FakeClock } from "../../src/testing.ts";
import { closes } from "../../src/wire/protocol.ts";
import { type Asked, type Referee, referee, type Told } from "../support/wire-rules.ts";
import { isOneOf } from "../support/wire-shapes.ts";
import { isForbidden, isMalformed } from "./refusals.ts";

/** The error codes that the reply to each command may have. `""` stands for a command without exactly one method. */
const errors: Readonly<Record<string, readonly number[]>> = {
  connect: [107],
  subscribe: [103, 105, 106, 107, 108, 112],
  unsubscribe: [106, 107],
  publish: [103, 106, 107],
  presence: [103, 106, 107],
  presence_stats: [103, 106, 107],
  history: [103, 106, 107, 112],
  rpc: [100, 103, 104, 107, 112],
  refresh: [100, 107, 108],
  sub_refresh: [107, 108],
  ping: [107],
  "": [104, 107],
};

/** A client that connects, sends any message, answers pings, and connects again after its session was closed. */
export class Visitor {
  readonly peer: Peer;
  /** The channels of the client's accepted publications, one element for each. */
  readonly published: string[] = [];
  /** The channels of publications with an unknown result, because the session ended before the reply. */
  readonly uncertain: string[] = [];
  /** How the session was closed. Undefined while it is open. */
  closed: { code: number; reason: string } | undefined;
  /** Whether a connect was answered with an error. */
  refused = false;
  /** Whether the client has sent a message in this session, so that a connect counts as sent. */
  greeted = false;
  readonly #clock: FakeClock;
  readonly #notices: Told = new Map();
  readonly #pending: string[] = [];
  #session: Session | undefined;
  #judge: Referee | undefined;

  constructor(peer: Peer, clock: FakeClock) {
    this.peer = peer;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#session !== undefined && this.closed === undefined;
  }

  /** The number of the client's subscriptions, according to the messages that the client received. */
  get subscriptions(): number {
    return this.isOpen ? (this.#judge as Referee).places.size : 0;
  }

  arrive(notifier: Notifier): void {
    this.closed = undefined;
    this.refused = false;
    this.greeted = false;
    const judge = referee({
      now: () => this.#clock.now(),
      told: this.peer.user === "" ? new Map() : this.#notices,
      answered: (reply, command) => this.#answered(reply, command),
    });
    this.#judge = judge;
    const session = notifier.accept(
      {
        send: (data) => {
          judge.sent(data);
          if ((data as string).split("\n").includes("{}")) queueMicrotask(() => this.#send(session, "{}"));
        },
        close: (code, reason) => {
          judge.closed(code, reason);
          this.closed = { code, reason };
          const lost = judge.unanswered.filter(({ name }) => name === "publish");
          this.uncertain.push(...lost.map(({ channel }) => channel));
          queueMicrotask(() => session.ended(code));
        },
      },
      this.peer,
    );
    this.#session = session;
  }

  /** Sends a message. `receive` of the session must not throw, whatever the message is. */
  say(message: string | Uint8Array): void {
    this.#send(this.#session as Session, message);
  }

  leave(): void {
    this.#session?.ended(1006);
    this.#session = undefined;
  }

  /** Returns the faults in what the client received. Must be called when everything has settled. */
  complaints(): string[] {
    const { breaches = [], unanswered = [] } = this.#judge ?? {};
    const found = [...breaches, ...this.#pending.splice(0)];
    if (this.isOpen && unanswered.length > 0) found.push(`${unanswered.length} commands are not answered`);
    if (this.closed !== undefined && !isOneOf(closes, this.closed))
      found.push(`closed as the protocol does not: ${JSON.stringify(this.closed)}`);
    return found;
  }

  #send(session: Session, message: string | Uint8Array): void {
    if (session !== this.#session || !this.isOpen) return;
    this.#judge?.arrived(message);
    session.receive(message);
  }

  #answered({ error }: { error?: { code: number } }, command: Asked): void {
    const { name, channel, params } = command;
    if (error === undefined) {
      if (name === "publish") this.published.push(channel);
      if (isMalformed(command)) this.#pending.push(`${name} of ${JSON.stringify(params)} is not refused`);
      if (isForbidden(this.peer.user, command)) this.#pending.push(`${name} of ${channel} is permitted`);
      return;
    }
    if (name === "connect") this.refused = true;
    // For these channels `authorize` throws or rejects, which is an internal error (100) and not a refusal.
    const isUndecided = ["throw", "reject"].includes(channel) && this.peer.user !== "";
    if (isUndecided && error.code === 100) return;
    if (!errors[name]?.includes(error.code))
      this.#pending.push(`${name || "nothing"} is answered ${error.code}`);
  }
}
