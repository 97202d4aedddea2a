/** A fault that somebody could make: in a file of `src`, a text that stands there once, and what is put in its place. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

type Fault = Omit<Mutation, "file">;

export function inFile(file: string, faults: readonly Fault[]): Mutation[] {
  return faults.map((fault) => ({ ...fault, file: `${file}.ts` }));
}
