/** Deletes the oldest items over `max`. */
export function trim(items: Map<string, unknown> | Set<string>, max: number): void {
  for (const key of items.keys()) {
    if (items.size <= max) return;
    items.delete(key);
  }
}
