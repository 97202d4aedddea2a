/** How many events had each latency: pairs of hundredths of a millisecond and a count, in ascending order. */
export type Latencies = readonly (readonly [hundredths: number, count: number])[];

/** Returns the milliseconds that `share` of all events took at most. */
export function percentile(all: readonly Latencies[], share: number): number {
  const sorted = all.flat().sort(([one], [other]) => one - other);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [hundredths, count] of sorted) {
    seen += count;
    if (seen > 0 && seen >= total * share) return hundredths / 100;
  }
  return 0;
}
