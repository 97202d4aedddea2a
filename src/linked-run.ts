import type { ClientFollowOptions, ClientRun } from "./client.ts";
import { CancelError, RunError } from "./errors.ts";
import { publicationOf } from "./feed.ts";
import type { Link } from "./link.ts";
import type { Position } from "./log.ts";
import type { History, Publication } from "./publication.ts";
import type { PublicationFields } from "./reply.ts";
import type { RunLifecycleEvent, RunStatus } from "./run.ts";

type Ending = Exclude<RunLifecycleEvent, { type: "run.started" }>;

/** The start of any channel. */
export const start: Position = { offset: 0, epoch: "" };

/** A run at the other end of a link. */
export function createRun<R>(
  link: Link,
  id: string,
  { after, signal: own }: ClientFollowOptions,
): ClientRun<unknown, R> {
  const channel = `run:${id}`;
  let status: RunStatus | undefined;
  let ending: Publication | undefined;

  /** Notes how it stands, and answers whether the publication is its ending. */
  function hear(publication: Publication): boolean {
    const ended = endingOf(publication);
    if (ended !== undefined) ending = publication;
    status = ended ?? status ?? "working";
    return ended !== undefined;
  }

  /** Where its channel ends, and whether that is its ending. */
  async function last(signal: AbortSignal | undefined): Promise<Position> {
    const page = await pageOf(link, { channel, limit: 1, reverse: true }, { signal });
    page.publications.forEach(hear);
    return page;
  }

  function read(after: Position, signal: AbortSignal | undefined): AsyncGenerator<Publication, Publication> {
    return link.feed.read(channel, {
      after,
      signal,
      isLast: hear,
      onPresent(data) {
        status = data.status ?? status;
      },
    });
  }

  return {
    id,
    get status() {
      return status;
    },
    async *[Symbol.asyncIterator]() {
      if (after !== undefined) {
        const { epoch, offset } = await last(own);
        // Nothing follows an ending, so that whoever has had it would wait for ever.
        if (ending !== undefined && epoch === after.epoch && offset <= after.offset)
          return outcomeOf(id, ending);
      }
      return outcomeOf(id, yield* read(after ?? start, own));
    },
    async result({ signal = own } = {}) {
      if (ending !== undefined && !signal?.aborted) return outcomeOf(id, ending);
      const { epoch, offset } = await last(signal);
      // One that has ended is read once more, so that its ending is acknowledged.
      const events = read({ epoch, offset: ending === undefined ? offset : offset - 1 }, signal);
      for (;;) {
        const { done, value } = await events.next();
        if (done) return outcomeOf(id, value);
      }
    },
    async cancel(reason, { signal = own } = {}) {
      const params = { method: "run.cancel", data: { run: id, reason } };
      const { data } = await link.call<{ data: { status: Cancelled } }>("rpc", params, { signal }, true);
      return data.status;
    },
  };
}

type Cancelled = Awaited<ReturnType<ClientRun["cancel"]>>;

function outcomeOf<R>(id: string, { data }: Publication): R {
  const ending = data as Ending;
  if (ending.type === "run.completed") return ending.result as R;
  if (ending.type === "run.cancelled") {
    // The signal was that of the caller.
    throw new CancelError(ending.by === "signal" ? "caller" : ending.by, ending.reason);
  }
  throw new RunError(id, { cause: Object.assign(new Error(), ending.error) });
}

function endingOf({ data }: Publication): RunStatus | undefined {
  const { type } = (data ?? {}) as { type?: unknown };
  return /^run\.(completed|failed|cancelled)$/.exec(String(type))?.[1] as RunStatus | undefined;
}

/** Asks for what is kept of a channel. */
export async function pageOf(
  link: Link,
  query: { channel: string; limit: number; since?: Position; reverse?: boolean },
  waiting: Pick<ClientFollowOptions, "signal">,
): Promise<History> {
  const page = await link.call<Position & { publications: PublicationFields[] }>(
    "history",
    query,
    waiting,
    true,
  );
  const { epoch, offset, publications } = page;
  const { channel } = query;
  const found = publications.map((fields) => publicationOf(channel, epoch, fields));
  return { channel, epoch, offset, publications: found };
}
