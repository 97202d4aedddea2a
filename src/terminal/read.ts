import { LogError } from "../model/errors.ts";
import type { Entry, Position, Slice } from "../model/log.ts";
import type { Inspection } from "../stores/sqlite/inspect.ts";
import type { LogCommand } from "./log-command.ts";
import type { Progress } from "./progress.ts";
import type { View } from "./view.ts";

/** What a channel of a log is read with. */
export interface ReadChannelOptions extends Pick<LogCommand, "file" | "isFollowing" | "from"> {
  readonly inspection: Inspection;
  readonly channel: string;
  readonly view: View;
  readonly progress: Progress;
  /** Whether the file has its name no longer, so that nobody writes to what is read. */
  isReplaced(): boolean;
  /** Waits. Rejects when the signal aborts. */
  pause(ms: number): Promise<void>;
}

/** How many publications are read at once. */
const batch = 200;
/** Milliseconds between two looks at whether something was committed. */
const interval = 250;
const start: Position = { offset: 0, epoch: "" };

/**
 * Shows the publications of a channel, and, if it follows, those that are committed from then on, until the channel is
 * sealed.
 *
 * @throws {Error} that says what to do, when the channel is unknown, or the position was never given out
 */
export async function readChannel(options: ReadChannelOptions): Promise<void> {
  await new ChannelReader(options).read();
}

class ChannelReader {
  readonly #options: ReadChannelOptions;
  /** The name as people read it. */
  readonly #name: string;
  /** What was shown last. */
  #after: Position = start;
  /** Whether the log has, or had, the channel, and whether it has it now. */
  #isKnown = false;
  #isForgotten = false;
  #isTroubled = false;

  constructor(options: ReadChannelOptions) {
    this.#options = options;
    this.#name = JSON.stringify(options.channel);
  }

  async read(): Promise<void> {
    const { inspection, from, isFollowing, progress, view } = this.#options;
    // Taken before the read: what is committed after the read has another version.
    let version = inspection.version;
    if (from === "now") this.#after = this.#present();
    else if (from !== "start") this.#after = from;
    let isSealed = await this.#show();
    progress.end();
    while (isFollowing && !isSealed) {
      try {
        const next = await this.#changed(version);
        isSealed = await this.#show();
        [version, this.#isTroubled] = [next, false];
      } catch (error) {
        await this.#bear(error);
      }
    }
    if (isFollowing) view.note(`${this.#name} is sealed: nothing more comes`);
  }

  #present(): Position {
    const { inspection, channel } = this.#options;
    const slice = inspection.read(channel, { limit: 0 });
    if (slice === undefined) throw this.#unknown();
    return { offset: slice.top, epoch: slice.epoch };
  }

  /** Shows all that follows. Returns whether nothing more can come. */
  async #show(): Promise<boolean> {
    const { inspection, channel, progress, pause } = this.#options;
    let done = 0;
    for (;;) {
      const slice = inspection.read(channel, { after: this.#after, limit: batch });
      if (slice === undefined) return this.#forget();
      this.#isKnown = true;
      this.#isForgotten = false;
      const { entries, top } = slice;
      if (!slice.gapless) this.#skip(slice);
      else if (entries.length === 0) return slice.sealed === true;
      else await this.#print(slice);
      done += entries.length;
      progress.at(done, done + top - this.#after.offset);
      await pause(0);
    }
  }

  async #print({ entries, epoch }: Slice): Promise<void> {
    const { view, channel } = this.#options;
    for (const entry of entries) {
      const { offset, time, tags } = entry;
      await view.show({ channel, offset, epoch, time, data: this.#dataOf(entry), tags });
      this.#after = { offset, epoch };
    }
  }

  #dataOf({ offset, data }: Entry): unknown {
    try {
      return JSON.parse(data);
    } catch (cause) {
      const what = `its publication ${offset} is not JSON, so the file is damaged. Look at a copy of it`;
      throw new Error(`Cannot read ${this.#name}: ${what}`, { cause });
    }
  }

  /** Goes on with the earliest publication that is left. */
  #skip({ epoch, first, top, lineage = [] }: Slice): void {
    const { offset, epoch: own } = this.#after;
    const goesOn = `going on after ${first - 1}`;
    const isOlder = lineage.some((older) => older.epoch === own && offset <= older.offset);
    if (own !== "" && own !== epoch && !isOlder) {
      this.#options.view.note(`${this.#name} is now in epoch ${JSON.stringify(epoch)}: ${goesOn}`);
    } else if (offset > top) {
      const what = `its newest publication has offset ${top}. Begin with --from start, or after that offset`;
      throw new Error(`Cannot read ${this.#name} after ${offset}: ${what}`);
    } else {
      this.#options.view.note(`What came after ${offset} in ${this.#name} is gone: ${goesOn}`);
    }
    this.#after = { offset: first - 1, epoch };
  }

  /** A log forgets a channel some time after its last publication is gone. */
  #forget(): false {
    if (!this.#isKnown) throw this.#unknown();
    if (!this.#isForgotten)
      this.#options.view.note(`The log has forgotten ${this.#name}: waiting until it begins again`);
    this.#isForgotten = true;
    this.#after = start;
    return false;
  }

  #unknown(): Error {
    const advice = `tocsin log ${this.#options.file} lists those that it has`;
    return new Error(`Cannot read ${this.#name}: the log has no such channel. ${advice}`);
  }

  /** Waits until somebody has committed. Returns the version then. */
  async #changed(version: number): Promise<number> {
    const { inspection, file, isReplaced, pause } = this.#options;
    for (;;) {
      await pause(interval);
      if (isReplaced()) {
        const what = "the file was removed or replaced. Start the command again";
        throw new Error(`Cannot follow ${JSON.stringify(file)}: ${what}`);
      }
      const next = inspection.version;
      if (next !== version) return next;
    }
  }

  /** Tries again after an error of the database that may pass. */
  async #bear(error: unknown): Promise<void> {
    const { view, pause } = this.#options;
    if (!(error instanceof LogError) || error.lasting) throw error;
    if (!this.#isTroubled) view.error(`${error.message}. Trying again`);
    this.#isTroubled = true;
    await pause(interval);
  }
}
