import type { Scope } from "../../base/scope.ts";
import { LogError } from "../../model/errors.ts";
import { faultOf, isUnknownScript } from "./faults.ts";
import type { Link, Script } from "./link.ts";
import { Call, type Operation, refusedBy } from "./operation.ts";

/** What a lane is created from. */
export interface LaneParts {
  readonly link: Pick<Link, "runKnown" | "runWhole">;
  readonly scope: Scope;
  script(): Promise<Script>;
  /** Whether calls may be under way at once. In a Cluster one could overtake another when its slot moves. */
  readonly isPipelined: boolean;
  /** Returns what begins new epochs. Never returns the same twice. */
  seed(): string;
  /** The membership of this process, and the generation of the members that it knows. */
  readonly fence: { readonly id: string | undefined; readonly generation: number };
  /** Finds out which generation it is, at least the given one, and whether this process is still a member. */
  refresh(generation: number): Promise<void>;
}

/** The most entries and records, and about the most bytes, in one call. A call keeps Redis from everything else. */
const most = { count: 256, bytes: 262_144 };

/** A call, with its operations in order. */
interface Batch {
  readonly operations: readonly Operation[];
  readonly call: Call;
}

/**
 * Writes operations in the order in which they come, many in one call. One that has to be sent again is sent before those
 * that came later: nothing else is sent until all calls under way are answered.
 */
export class Lane {
  readonly #parts: LaneParts;
  #waiting: Operation[] = [];
  /** Those that are sent again, of calls that are under way. */
  #again: Operation[] = [];
  #underWay = 0;
  #isHeldBack = false;
  #sendsWhole = false;
  /** The server that has answered last. */
  #server = "";
  /** A generation that this process did not know. */
  #refusedBy: number | undefined;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Adds an operation. It is sent with the next `flush`. */
  add(operation: Operation): void {
    this.#waiting.push(operation);
  }

  /** Takes back an operation that was not sent, or that was refused and is to be sent again. Returns false for any other. */
  withdraw(operation: Operation): boolean {
    for (const list of [this.#waiting, this.#again]) {
      const place = list.indexOf(operation);
      if (place < 0) continue;
      list.splice(place, 1);
      return true;
    }
    return false;
  }

  /** Sends what waits, as far as it may be sent now. */
  flush(): void {
    while (
      this.#waiting.length > 0 &&
      !this.#isHeldBack &&
      (this.#parts.isPipelined || this.#underWay === 0)
    ) {
      const operations = this.#take();
      if (operations.length === 0) continue;
      this.#underWay++;
      this.#parts.scope.own("task", "a call of Redis", this.#send(operations));
    }
  }

  #take(): Operation[] {
    const { id } = this.#parts.fence;
    let [operations, count, bytes] = [0, 0, 0];
    for (const next of this.#waiting) {
      count += next.count;
      bytes += next.size;
      if (operations > 0 && (count > most.count || bytes > most.bytes)) break;
      operations++;
    }
    return this.#waiting.splice(0, operations).filter((operation) => {
      const { member, isOver } = operation;
      if (member !== undefined && member !== id && !isOver) operation.reject(gone());
      return !operation.isOver;
    });
  }

  async #send(operations: readonly Operation[]): Promise<void> {
    const batch = { operations, call: this.#encode(operations) };
    const { call } = batch;
    const whole = this.#sendsWhole;
    this.#sendsWhole = false;
    try {
      const script = await this.#parts.script();
      const { link } = this.#parts;
      const sending = whole
        ? link.runWhole(script, call.keys, call.args)
        : link.runKnown(script, call.keys, call.args);
      this.#answered(batch, (await sending) as string[]);
    } catch (error) {
      this.#failed(batch, error);
    }
    this.#underWay--;
    if (this.#underWay === 0 && this.#again.length > 0) await this.#sendAgain();
    this.flush();
  }

  #encode(operations: readonly Operation[]): Call {
    const { seed, fence } = this.#parts;
    const { id = "", generation } = fence;
    const call = new Call([seed(), id, String(generation), String(operations.length), this.#server]);
    for (const operation of operations) operation.encode(call);
    return call;
  }

  #answered({ operations }: Batch, [server = "", ...answers]: string[]): void {
    this.#server = server;
    for (const [place, operation] of operations.entries()) {
      const answer = String(answers[place]);
      const generation = refusedBy(answer);
      if (generation === undefined) operation.answered(answer);
      else {
        this.#refusedBy = Math.max(generation, this.#refusedBy ?? 0);
        this.#repeat(operation);
      }
    }
  }

  #failed({ operations }: Batch, error: unknown): void {
    if (isUnknownScript(error)) {
      this.#sendsWhole = true;
      for (const operation of operations) this.#repeat(operation);
      return;
    }
    for (const operation of operations)
      operation.reject(faultOf(error, `write to ${JSON.stringify(operation.channel)}`));
  }

  #repeat(operation: Operation): void {
    this.#isHeldBack = true;
    this.#again.push(operation);
  }

  async #sendAgain(): Promise<void> {
    const generation = this.#refusedBy;
    this.#refusedBy = undefined;
    try {
      if (generation !== undefined) await this.#parts.refresh(generation);
      this.#waiting = [...this.#again.splice(0), ...this.#waiting];
    } catch (error) {
      for (const operation of this.#again.splice(0)) operation.reject(faultOf(error, "ask for the members"));
    }
    this.#isHeldBack = false;
  }
}

function gone(): LogError {
  return new LogError(
    "Cannot write to the log: the other processes have taken this one for gone. It has to join again",
  );
}
