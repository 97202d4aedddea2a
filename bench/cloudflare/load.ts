/** What an object publishes for one request. */
export interface Load {
  readonly count: number;
  /** Milliseconds between two publications. Undefined: all of them are published at once. */
  readonly pause?: number;
  /** How many channels they go to in turns. Default 1. */
  readonly channels?: number;
  readonly confirm?: boolean;
  /** Whether each has an idempotency key. */
  readonly isKeyed?: boolean;
}

/** Events of about 200 bytes. */
const data = { type: "output", text: "x".repeat(160) };

/** Publishes what was asked for. */
export async function play(
  { count, pause }: Load,
  publish: (data: unknown, n: number) => unknown,
): Promise<void> {
  if (pause === undefined) await Promise.all(Array.from({ length: count }, (_, n) => publish(data, n)));
  else
    for (let n = 0; n < count; n++) {
      await publish(data, n);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
}
