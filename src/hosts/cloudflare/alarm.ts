import type { SqlPort, SqlRow, SqlValue } from "../../stores/sqlite/database.ts";
import type { ObjectStorage } from "./platform.ts";

/** What `ask` accepts, in milliseconds since the Unix epoch: earlier times are seconds, and later ones the platform refuses. */
const [earliest, latest] = [Date.UTC(2001, 8, 9), Date.UTC(2189, 0, 1)];

/** Sets the single alarm of an object for the earliest of all that want to be woken. */
export class Alarm {
  readonly #storage: ObjectStorage;
  readonly #port: SqlPort;
  readonly #onError: (error: unknown) => void;
  /** When it rings, in milliseconds since the Unix epoch. Infinity: never. Undefined: this life has not looked yet. */
  #at: number | undefined;
  /** The earliest time that the user has asked for. Undefined: this life has not looked yet. */
  #asked: number | undefined;
  #isOver = false;

  constructor(storage: ObjectStorage, port: SqlPort, onError: (error: unknown) => void) {
    this.#storage = storage;
    this.#port = port;
    this.#onError = onError;
  }

  /** Makes sure that it rings by `time`, and no later than it was to ring. It is stored together with this turn's writes. */
  wakeBy(time: number): void {
    if (!this.#isOver && (this.#at === undefined || time < this.#at)) this.#set(time);
  }

  /** Makes sure that it rings by `time`, also in another life. Throws a RangeError for what cannot be such a time. */
  ask(time: number): void {
    if (!(time > earliest && time < latest))
      throw new RangeError(
        `Cannot wake at "${String(time)}": give milliseconds since the Unix epoch, before the year 2189`,
      );
    const whole = Math.ceil(time);
    this.#rows("INSERT OR IGNORE INTO tocsin_alarms (time) VALUES (?)", whole);
    this.#asked = undefined;
    this.wakeBy(whole);
  }

  /**
   * Sets it for `due`, the earliest that anybody waits for. Infinity: for nothing. An earlier alarm stays: it costs less
   * to be woken in vain than to set it again with every change.
   */
  async settle(due: number): Promise<void> {
    try {
      this.#asked ??= Number(this.#rows("SELECT min(time) AS time FROM tocsin_alarms")[0]?.time ?? Infinity);
      const time = Math.min(due, this.#asked);
      if (this.#at === undefined) {
        const stored = await this.#storage.getAlarm();
        // Meanwhile it may have been set.
        this.#at ??= stored ?? Infinity;
      }
      // Meanwhile it may belong to the next life.
      if (this.#isOver) return;
      if (time < this.#at) this.#set(time);
      else if (time === Infinity && this.#at !== Infinity) {
        this.#at = Infinity;
        await this.#storage.deleteAlarm();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Notes that it has rung: now none is set. */
  rang(now: number): void {
    this.#at = Infinity;
    this.#asked = undefined;
    this.#rows("DELETE FROM tocsin_alarms WHERE time <= ?", now);
  }

  /** Leaves it as it is: from now on it belongs to the next life. */
  end(): void {
    this.#isOver = true;
  }

  #rows(query: string, ...bindings: SqlValue[]): readonly SqlRow[] {
    this.#port.rows("CREATE TABLE IF NOT EXISTS tocsin_alarms (time INTEGER PRIMARY KEY)");
    return this.#port.rows(query, ...bindings);
  }

  #set(time: number): void {
    this.#at = time;
    this.#storage.setAlarm(time).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    this.#at = undefined;
    this.#onError(error);
  }
}
