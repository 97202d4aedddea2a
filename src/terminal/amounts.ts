const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Formats milliseconds for people. */
export function spanOf(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Formats bytes for people. */
export function sizeOf(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  // 1023.95 would be printed as 1024.0.
  while (amount >= 1023.95 && unit < units.length - 1) [amount, unit] = [amount / 1024, unit + 1];
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}

/** Returns a count with its noun. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
