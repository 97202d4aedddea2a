import { isObject } from "../../base/check.ts";
import type { Clock } from "../../base/clock.ts";
import type { Nodes } from "../nodes/nodes.ts";
import { type ChannelsHere, type Presence, presenceHere } from "./presence.ts";

/** What it needs to know who is there. */
export interface PresenceContext extends ChannelsHere {
  readonly clock: Clock;
  readonly nodes: Nodes;
  /** Settles once this process is a member of its log. Undefined after that, and for a log without members. */
  readonly joining: Promise<void> | undefined;
}

type Clients = Presence["clients"];

/** Milliseconds for which an answer is shared by all who ask about a channel. */
const freshness = 1_000;

/** Who is subscribed to a channel, on all nodes. Nobody keeps a list of them: whoever wants to know asks all others. */
export class PresenceOfAll {
  readonly #context: PresenceContext;
  readonly #asked = new Map<string, { until: number; answer: Promise<Presence> }>();

  constructor(context: PresenceContext) {
    this.#context = context;
    context.nodes.on("presence", (channel) =>
      typeof channel === "string" ? presenceHere(context, channel).clients : [],
    );
  }

  /** Returns who is there, as far as the other nodes answer within a second. */
  async of(channel: string): Promise<Presence> {
    const { nodes, joining } = this.#context;
    await joining?.catch(() => {});
    const here = presenceHere(this.#context, channel);
    if (nodes.id === undefined) return here;
    const { clients, complete } = await this.#elsewhere(channel);
    return together([here.clients, clients], complete);
  }

  #elsewhere(channel: string): Promise<Presence> {
    const now = this.#context.clock.now();
    for (const [name, { until }] of this.#asked) if (until <= now) this.#asked.delete(name);
    const known = this.#asked.get(channel);
    if (known !== undefined) return known.answer;
    const answer = this.#ask(channel);
    this.#asked.set(channel, { until: now + freshness, answer });
    return answer;
  }

  async #ask(channel: string): Promise<Presence> {
    const { of, isComplete } = await this.#context.nodes.ask("presence", channel);
    const lists = [...of.values()].map((answer) => (Array.isArray(answer) ? answer.filter(isClient) : []));
    return together(lists, isComplete);
  }
}

function together(lists: readonly Clients[], complete: boolean | undefined): Presence {
  const clients = lists.flat();
  return {
    clients,
    users: new Set(clients.map(({ user }) => user)).size,
    ...(complete !== undefined && { complete }),
  };
}

function isClient(value: unknown): value is Clients[number] {
  return isObject(value) && typeof value.session === "string" && typeof value.user === "string";
}
