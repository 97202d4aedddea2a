import { isObject } from "../../base/check.ts";
import { textOf } from "../../base/formatted.ts";
import type { Context } from "../core/context.ts";
import type { Nodes } from "../nodes/nodes.ts";
import { type PostedSession, PostOrder } from "../sessions/post-order.ts";

/** What the posts need besides the context. */
export interface PostContext extends Context {
  readonly nodes: Nodes;
}

/** The kind of message between nodes that carries a post. */
const kind = "post";

/** Brings messages that clients send by requests of their own to their sessions, here or at the node that has them. */
export class Posts {
  readonly #context: PostContext;
  readonly #orders = new Map<string, PostOrder>();

  constructor(context: PostContext) {
    this.#context = context;
    context.nodes.on(kind, (body) => {
      const { secret, data } = isObject(body) ? body : {};
      return this.#take(textOf(secret) ?? "", textOf(data) ?? "");
    });
  }

  entered(session: PostedSession): void {
    if (session.secret !== undefined) this.#orders.set(session.secret, new PostOrder(session, this.#context));
  }

  left({ secret }: PostedSession): void {
    if (secret === undefined) return;
    this.#orders.get(secret)?.end();
    this.#orders.delete(secret);
  }

  /**
   * Takes a message for the session with this secret. If it is not here, the node that is named gets the message. Returns
   * false if it has no such session, or does not live. A node that does not answer in time will get the message.
   */
  async post(secret: string, data: string, node?: string): Promise<boolean> {
    if (this.#take(secret, data)) return true;
    const { nodes } = this.#context;
    if (node === undefined || nodes.id === undefined || node === nodes.id) return false;
    const { isMember, answer } = await nodes.askOne(node, kind, { secret, data });
    return isMember && answer !== false;
  }

  #take(secret: string, data: string): boolean {
    const order = this.#orders.get(secret);
    order?.take(data);
    return order !== undefined;
  }
}
