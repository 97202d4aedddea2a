import type { SqlPort, SqlRow, SqlValue } from "../../stores/sqlite/database.ts";
import type { ObjectStorage } from "./platform.ts";

/** Sets the single alarm of an object for the earliest of all that want to be woken. */
export class Alarm {
  readonly #storage: ObjectStorage;
  readonly #port: SqlPort;
  readonly #onError: (error: unknown) => void;
  /** When it rings, in milliseconds since the Unix epoch. Infinity: never. Undefined: this life has not looked yet. */
  #at: number | undefined;
  /** The earliest time that the user has asked for. Undefined: this life has not looked yet. */
  #asked: number | undefined;

  constructor(storage: ObjectStorage, port: SqlPort, onError: (error: unknown) => void) {
    this.#storage = storage;
    this.#port = port;
    this.#onError = onError;
  }

  /** Makes sure that it rings by `time`, and no later than it was to ring. It is stored together with this turn's writes. */
  wakeBy(time: number): void {
    if (this.#at === undefined || time < this.#at) this.#set(time);
  }

  /** Makes sure that it rings by `time`, also in another life. */
  ask(time: number): void {
    this.#rows("INSERT INTO tocsin_alarms (time) VALUES (?)", time);
    this.#asked = undefined;
    this.wakeBy(time);
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
  rang(): void {
    this.#at = Infinity;
    this.#rows("DELETE FROM tocsin_alarms WHERE time <= ?", Date.now());
    this.#asked = undefined;
  }

  #rows(query: string, ...bindings: SqlValue[]): readonly SqlRow[] {
    this.#port.rows("CREATE TABLE IF NOT EXISTS tocsin_alarms (time INTEGER)");
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
