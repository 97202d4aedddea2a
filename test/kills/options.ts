/** Reads the numbers of a command that kills servers: how often, from which seed, and with how many clients. */
export function numbersIn(values: { count: string; seed: string; clients: string }): {
  count: number;
  first: number;
  clients: number;
} {
  const [count, first, clients] = [Number(values.count), Number(values.seed), Number(values.clients)];
  if (![count, first, clients].every(Number.isSafeInteger) || count < 1 || clients < 1)
    throw new RangeError("Cannot kill: --count, --seed and --clients are whole numbers");
  return { count, first, clients };
}
