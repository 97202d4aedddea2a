/** What an object publishes for one request. */
export interface Load {
  readonly count: number;
  /** Milliseconds between two publications. Undefined: all of them are published at once. */
  readonly pause?: number;
}

/** Events of about 200 bytes. */
const data = { type: "output", text: "x".repeat(160) };

/** Publishes what was asked for. */
export async function play({ count, pause }: Load, publish: (data: unknown) => unknown): Promise<void> {
  if (pause === undefined) await Promise.all(Array.from({ length: count }, () => publish(data)));
  else
    for (let n = 0; n < count; n++) {
      await publish(data);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
}
