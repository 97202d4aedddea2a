import type { Scope } from "../../base/scope.ts";
import { ClosedError, LogError } from "../../model/errors.ts";
import type { HeldRecord, Member } from "../../model/log.ts";
import { restored } from "../text.ts";
import { faultOf } from "./faults.ts";
import { buckets, type Keys } from "./keys.ts";
import type { Link, Script } from "./link.ts";

/** What members are created from. */
export interface MembersParts {
  readonly link: Pick<Link, "run">;
  readonly scope: Scope;
  readonly keys: Keys;
  readonly lease: number;
  scripts(): Promise<{ readonly member: Script; readonly claim: Script }>;
  /** Called when the store was lost or set back, and when this process may have missed something. */
  renewed(): void;
  /** Called with the records that this process holds from now on. */
  inherited(records: readonly HeldRecord[]): void;
}

/** What this process is in the store. */
interface Answer {
  readonly is: "member" | "gone" | "none";
  readonly store: string;
  readonly server: string;
  readonly generation: number;
  /** Whether there is something that this process has to inherit. */
  readonly isHeir: boolean;
  readonly ids: readonly string[];
}

/** How many buckets are claimed at once. */
const width = 64;

/**
 * The place of this process among the members of the log. It is heard three times in a lease.
 *
 * Who is taken for gone cannot write any more: each call says which generation of the members it knows. Whoever inherits
 * leaves its own generation in each bucket, and older ones are refused there.
 */
export class Members {
  readonly #parts: MembersParts;
  #place: { readonly id: string; readonly member: Member } | undefined;
  #generation = 0;
  #known = { store: "", server: "" };
  #isLost = false;
  #isClaiming = false;
  #isBeating = false;
  #stopBeating = (): void => {};
  /** The records that this process was told that it has inherited. */
  readonly #told = new Set<string>();

  constructor(parts: MembersParts) {
    this.#parts = parts;
  }

  /** The id of this process. Undefined while it is no member. */
  get id(): string | undefined {
    return this.#place?.id;
  }

  /** The generation of the members that this process knows. */
  get generation(): number {
    return this.#generation;
  }

  /** Whether this process was taken for gone, and has not joined again. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Makes this process a member, and returns its id. */
  async join(member: Member, signal: AbortSignal | undefined): Promise<string> {
    const id = crypto.randomUUID();
    let isWanted = true;
    const joining = this.#ask("join", id);
    try {
      const answer = await this.#parts.scope.waitFor("join the log", signal, joining);
      this.#place = { id, member };
      this.#isLost = false;
      this.#known = { store: answer.store, server: answer.server };
      this.#beatLater();
      this.#learn(answer);
      return id;
    } catch (error) {
      isWanted = false;
      throw error;
    } finally {
      // Nobody waits for it any more, but it may still join. Then it leaves again.
      if (!isWanted) this.#parts.scope.own("task", "leave the log", this.#undo(joining, id));
    }
  }

  async #undo(joining: Promise<unknown>, id: string): Promise<void> {
    try {
      await joining;
      await this.#ask("leave", id);
    } catch {
      // The lease ends it.
    }
  }

  /** Returns the ids of all members. */
  async nodes(id: string): Promise<readonly string[]> {
    const answer = await this.#ask("beat", id);
    this.#heard(id, answer);
    return answer.ids;
  }

  /** Leaves what is held to others. Resolves when they know, if they can be told. */
  async leave(id: string): Promise<void> {
    if (this.#place?.id !== id) return;
    this.end();
    await this.#ask("leave", id);
  }

  /** Is no member any more. Others notice when the lease is over. */
  end(): void {
    this.#stopBeating();
    this.#place = undefined;
    this.#told.clear();
  }

  /** Finds out which generation it is now: at least the given one. */
  async refresh(generation: number): Promise<void> {
    if (generation > this.#generation) this.#generation = generation;
    const place = this.#place;
    if (place !== undefined) this.#heard(place.id, await this.#ask("beat", place.id));
  }

  /** Called when a record is no longer held by this process. */
  released(record: string): void {
    this.#told.delete(record);
  }

  #beatLater(): void {
    this.#stopBeating();
    this.#stopBeating = this.#parts.scope.timer("the beat of a node", this.#parts.lease / 3, () => {
      this.#beatLater();
      if (!this.#isBeating) this.#parts.scope.own("task", "the beat of a node", this.#beat());
    });
  }

  /** Gives a sign of life. If it is lost, the next one comes later. */
  async #beat(): Promise<void> {
    const id = this.#place?.id;
    if (id === undefined) return;
    this.#isBeating = true;
    try {
      this.#heard(id, await this.#ask("beat", id));
    } catch {
      // Redis cannot be reached. Whoever appends is told.
    } finally {
      this.#isBeating = false;
    }
  }

  #heard(id: string, answer: Answer): void {
    if (this.#place?.id !== id) return;
    if (answer.is !== "member") {
      this.#lose();
      return;
    }
    const { store, server } = this.#known;
    const isOther = answer.store !== store || answer.server !== server;
    this.#known = { store: answer.store, server: answer.server };
    this.#learn(answer);
    if (isOther) this.renew();
  }

  /** Called when the store was lost or set back. */
  renew(): void {
    this.#parts.renewed();
    attempt(() => this.#place?.member.renewed?.());
  }

  #learn({ generation, isHeir, ids }: Answer): void {
    this.#generation = generation;
    if (!isHeir || this.#isClaiming) return;
    this.#isClaiming = true;
    this.#parts.scope.own("task", "inherit records", this.#claim(generation, ids));
  }

  #lose(): void {
    const member = this.#place?.member;
    this.#stopBeating();
    this.#place = undefined;
    this.#isLost = true;
    this.#told.clear();
    const { lease } = this.#parts;
    const why = `nothing was heard of this process for ${lease} ms, and others have inherited what it held`;
    attempt(() => member?.lost(new LogError(`Cannot stay a member of the log: ${why}. It may join again`)));
  }

  /** Inherits what no member holds. What could not be claimed is claimed after the next beat. */
  async #claim(generation: number, ids: readonly string[]): Promise<void> {
    const id = this.#place?.id;
    try {
      for (let from = 0; id !== undefined && from < buckets; from += width) {
        const part = Array.from({ length: width }, (_, place) => from + place);
        const claimed = await Promise.all(part.map((bucket) => this.#claimOf(bucket, id, generation, ids)));
        if (this.#place?.id !== id) return;
        this.#tell(claimed.flat());
      }
      if (id !== undefined) this.#heard(id, await this.#ask("claimed", id, generation));
    } catch {
      // Redis cannot be reached, or others know more about who is there.
    } finally {
      this.#isClaiming = false;
    }
  }

  async #claimOf(
    bucket: number,
    id: string,
    generation: number,
    ids: readonly string[],
  ): Promise<HeldRecord[]> {
    const { claim } = await this.#parts.scripts();
    const { link, keys } = this.#parts;
    const answer = await link.run(claim, [keys.held(bucket)], [id, String(generation), ...ids]);
    const [found, ...rest] = answer as string[];
    if (Number(found) > generation) throw new LogError("Cannot inherit: the members have changed");
    const records: HeldRecord[] = [];
    for (let at = 0; at < rest.length; at += 2) records.push(recordOf(rest[at] ?? "", rest[at + 1] ?? ""));
    return records;
  }

  /** Tells the member what it has inherited, each record once. */
  #tell(records: readonly HeldRecord[]): void {
    const news = records.filter(({ record }) => !this.#told.has(record));
    if (news.length === 0) return;
    for (const { record } of news) this.#told.add(record);
    this.#parts.inherited(news);
    attempt(() => this.#place?.member.inherits(news));
  }

  async #ask(what: string, id: string, generation = this.#generation): Promise<Answer> {
    const { link, scripts, keys, lease, scope } = this.#parts;
    if (scope.isOver) throw new ClosedError("Cannot go on: the log is closed");
    const { store, server } = this.#known;
    const args = [what, id, crypto.randomUUID(), String(lease), store, server, String(generation)];
    try {
      const { member } = await scripts();
      const answer = (await link.run(member, [keys.members], args)) as [
        Answer["is"],
        string,
        string,
        string,
        string,
        string[],
      ];
      const [is, newStore, newServer, now, isHeir, ids] = answer;
      return { is, store: newStore, server: newServer, generation: Number(now), isHeir: isHeir === "1", ids };
    } catch (error) {
      throw faultOf(error, "reach the other members of the log");
    }
  }
}

function recordOf(record: string, value: string): HeldRecord {
  const [, offset, epoch = "", channel = ""] = /^(\d+) (\S*) (.*)$/.exec(value) ?? [];
  return {
    record: restored(record),
    channel: restored(channel),
    position: { epoch: restored(epoch), offset: Number(offset) },
  };
}

/** What a callback of the user throws harms nobody. */
function attempt(act: () => void): void {
  try {
    act();
  } catch {}
}
