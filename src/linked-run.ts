import type { ClientFollowOptions, ClientRun } from "./client.ts";
import { CancelError, RunError } from "./errors.ts";
import { publicationOf } from "./feed.ts";
import type { Link } from "./link.ts";
import type { Position } from "./log.ts";
import type { History, Publication } from "./publication.ts";
import type { PublicationFields } from "./reply.ts";
import type { RunLifecycleEvent, RunStatus } from "./run.ts";

/** The start of any channel. */
export const start: Position = { offset: 0, epoch: "" };

type Ending = Exclude<RunLifecycleEvent, { type: "run.started" }>;

/** A run at the other end of a link. */
export class LinkedRun<R> implements ClientRun<unknown, R> {
  readonly id: string;
  status: RunStatus | undefined;
  #ending: Publication | undefined;
  readonly #link: Link;
  readonly #options: ClientFollowOptions;

  constructor(link: Link, id: string, options: ClientFollowOptions) {
    this.#link = link;
    this.id = id;
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Publication, R, void> {
    const { after, signal } = this.#options;
    if (after !== undefined) {
      const { epoch, offset } = await this.#last(signal);
      // Nothing follows an ending, so that whoever has had it would wait for ever.
      if (this.#ending !== undefined && epoch === after.epoch && offset <= after.offset)
        return this.#ended(this.#ending);
    }
    return this.#ended(yield* this.#read(after ?? start, signal));
  }

  async result({ signal = this.#options.signal }: Pick<ClientFollowOptions, "signal"> = {}): Promise<R> {
    if (this.#ending !== undefined && !signal?.aborted) return this.#ended(this.#ending);
    const { epoch, offset } = await this.#last(signal);
    // One that has ended is read once more, so that its ending is acknowledged.
    const events = this.#read({ epoch, offset: this.#ending === undefined ? offset : offset - 1 }, signal);
    for (;;) {
      const { done, value } = await events.next();
      if (done) return this.#ended(value);
    }
  }

  /** Where its channel ends, and whether that is its ending. */
  async #last(signal: AbortSignal | undefined): Promise<Position> {
    const query = { channel: `run:${this.id}`, limit: 1, reverse: true };
    const { epoch, offset, publications } = await pageOf(this.#link, query, signal);
    for (const publication of publications) this.#hear(publication);
    return { epoch, offset };
  }

  /** Notes how it stands, and answers whether the publication is its ending. */
  #hear(publication: Publication): boolean {
    const ending = endingOf(publication);
    if (ending !== undefined) this.#ending = publication;
    this.status = ending ?? this.status ?? "working";
    return ending !== undefined;
  }

  async cancel(
    reason?: string,
    { signal = this.#options.signal }: Pick<ClientFollowOptions, "signal"> = {},
  ): ReturnType<ClientRun["cancel"]> {
    const data = { run: this.id, reason };
    const { rpc } = await this.#link.call({ rpc: { method: "run.cancel", data } }, signal, true);
    return (rpc as { data: { status: Awaited<ReturnType<ClientRun["cancel"]>> } }).data.status;
  }

  #read(after: Position, signal: AbortSignal | undefined): AsyncGenerator<Publication, Publication, void> {
    const isLast = (publication: Publication): boolean => this.#hear(publication);
    const onPresent = ({ status }: { status?: RunStatus }): void => {
      this.status = status ?? this.status;
    };
    return this.#link.feed.read(`run:${this.id}`, { after, signal, isLast, onPresent });
  }

  #ended({ data }: Publication): R {
    const ending = data as Ending;
    if (ending.type === "run.completed") return ending.result as R;
    if (ending.type === "run.cancelled") {
      // The signal was that of the caller.
      throw new CancelError(ending.by === "signal" ? "caller" : ending.by, ending.reason);
    }
    throw new RunError(this.id, { cause: Object.assign(new Error(), ending.error) });
  }
}

function endingOf({ data }: Publication): RunStatus | undefined {
  const { type } = (data ?? {}) as { type?: unknown };
  return /^run\.(completed|failed|cancelled)$/.exec(String(type))?.[1] as RunStatus | undefined;
}

/** Asks for what is kept of a channel. */
export async function pageOf(
  link: Link,
  query: { channel: string; limit: number; since?: Position; reverse?: boolean },
  signal: AbortSignal | undefined,
): Promise<History> {
  const { history } = await link.call({ history: query }, signal, true);
  const { epoch, offset, publications } = history as Position & { publications: PublicationFields[] };
  const { channel } = query;
  const found = publications.map((fields) => publicationOf(channel, epoch, fields));
  return { channel, epoch, offset, publications: found };
}
