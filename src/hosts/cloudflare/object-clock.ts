import { type Clock, systemClock, type Timer } from "../../base/clock.ts";

/** The longest wait that may keep an object awake, in milliseconds. Longer ones are left to the alarm. */
const longest = 60_000;
/** Longer waits end early, as with the timers of every runtime. The platform refuses alarms of the next centuries. */
const maxDelay = 2_147_483_647;

interface LongWait {
  readonly due: number;
  readonly fire: () => void;
}

/**
 * The clock of a notifier in an object. A timer keeps its object awake, so only short waits are timers. Long ones end
 * when the object's alarm rings. If its memory is lost before, they are lost too: what they are for is restored first.
 */
export class ObjectClock implements Clock {
  readonly grain: number = longest;
  readonly #platform: Clock;
  readonly #stir: () => void;
  readonly #waits = new Set<LongWait>();
  readonly #timers = new Set<Timer>();
  #now = 0;

  /** `stir` is called whenever something begins or ends to wait. */
  constructor(stir: () => void, platform: Clock = systemClock) {
    this.#stir = stir;
    this.#platform = platform;
  }

  /** The wall clock goes on across lives. It may be set back; then time stands still until it has caught up. */
  now(): number {
    this.#now = Math.max(this.#now, this.time());
    return this.#now;
  }

  time(): number {
    return this.#platform.time();
  }

  random(): number {
    return this.#platform.random();
  }

  timer(ms: number, fire: () => void): Timer {
    this.#stir();
    if (ms <= longest) {
      const timer = this.#platform.timer(ms, () => {
        this.#timers.delete(timer);
        this.#stir();
        fire();
      });
      this.#timers.add(timer);
      return {
        cancel: () => {
          this.#timers.delete(timer);
          timer.cancel();
        },
      };
    }
    const wait = { due: this.now() + Math.min(ms, maxDelay), fire };
    this.#waits.add(wait);
    return { cancel: () => void this.#waits.delete(wait) };
  }

  turn(run: () => void): void {
    this.#stir();
    this.#platform.turn(run);
  }

  /** Whether there are short waits, which the alarm does not ring for. */
  get isTiming(): boolean {
    return this.#timers.size > 0;
  }

  /**
   * When the alarm has to ring for the long waits, in milliseconds since the Unix epoch: at a multiple of `grain`, so
   * that many of them end together. Infinity if there are none.
   */
  get alarmAt(): number {
    let earliest = Infinity;
    for (const { due } of this.#waits) if (due < earliest) earliest = due;
    return Math.ceil(earliest / this.grain) * this.grain;
  }

  /** Ends the long waits that are due. */
  ring(): void {
    const now = this.now();
    for (const wait of [...this.#waits]) {
      if (wait.due <= now && this.#waits.delete(wait)) wait.fire();
    }
  }
}
