import { CancelError, RunError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { History } from "../model/publication.ts";
import type { RunLifecycleEvent, RunStatus } from "../model/run-event.ts";
import type { RunNews } from "./feed.ts";
import { textOf } from "./input.ts";
import type { Link } from "./link-port.ts";
import type { HistoryResult } from "./messages.ts";
import type { ClientRun } from "./options.ts";

/** The fields of every kind of ending. */
type Ending = OmitType<"completed"> & OmitType<"failed"> & OmitType<"cancelled">;
type OmitType<How extends string> = Omit<Extract<RunLifecycleEvent, { type: `run.${How}` }>, "type">;

/** Creates the handle of a run over a link. */
export function createRun<R>(
  link: Link,
  id: string,
  after: Position | undefined,
  runSignal: AbortSignal | undefined,
): ClientRun<unknown, R> {
  const channel = `run:${id}`;
  let status: RunStatus | undefined;
  let ending: Ending | undefined;

  /** Records the status, and the ending if this is the ending. Returns whether it is. */
  function hear(news: RunNews): boolean {
    const { data, status: present } = news as { data?: Ending & { type: string }; status?: RunStatus };
    const [, ended] = /^run\.(completed|failed|cancelled)$/.exec(data?.type as string) ?? [];
    if (ended) ending = data;
    status = (ended as RunStatus | undefined) ?? present ?? status ?? "working";
    return !!ended;
  }

  /** Returns the last position of the run's channel, and records the event at that position. */
  async function last(signal: AbortSignal | undefined): Promise<Position> {
    const page = await pageOf(link, { channel, limit: 1, reverse: true }, signal);
    for (const publication of page.publications) hear(publication);
    return page;
  }

  function outcome(): R {
    const end = ending as Ending;
    if (status === "completed") return end.result as R;
    // The signal was that of the caller.
    if (status === "cancelled") throw new CancelError(end.by === "signal" ? "caller" : end.by, end.reason);
    throw new RunError(id, { cause: Object.assign(new Error(), end.error), reason: end.reason });
  }

  return {
    id,
    get status() {
      return status;
    },
    async *[Symbol.asyncIterator]() {
      if (after) {
        const { epoch, offset } = await last(runSignal);
        // Nothing is published after the ending: reading on after it would wait for ever.
        if (ending && epoch === after.epoch && offset <= after.offset) return outcome();
      }
      yield* link.feed.read(channel, after ?? { offset: 0, epoch: "" }, runSignal, hear);
      return outcome();
    },
    async result({ signal = runSignal } = {}) {
      if (!ending || signal?.aborted) {
        const { epoch, offset } = await last(signal);
        // An ending that is known is read once more through the feed, because that acknowledges it.
        const before = { offset: ending ? offset - 1 : offset, epoch };
        for await (const _ of link.feed.read(channel, before, signal, hear)) {
        }
      }
      return outcome();
    },
    async cancel(reason, { signal = runSignal } = {}) {
      const params = { method: "run.cancel", data: { run: id, reason } };
      textOf("use reason", reason ?? "");
      const { data } = await link.call<{ data: { status: Cancelled } }>("rpc", "call", params, signal, true);
      return data.status;
    },
  };
}

type Cancelled = Awaited<ReturnType<ClientRun["cancel"]>>;

/** Reads a page of a channel's history. */
export async function pageOf(
  link: Link,
  query: { channel: string; limit: number; since?: Position | undefined; reverse?: boolean },
  signal: AbortSignal | undefined,
): Promise<History> {
  const { channel } = query;
  const page = await link.call<HistoryResult>("history", "read", query, signal, true);
  const { epoch, publications } = page;
  return {
    ...page,
    channel,
    publications: publications.map((fields) => ({ channel, epoch, time: 0, ...fields })),
  };
}
