/** A fault that a developer could make: in a file of `src`, one text is replaced by another. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** The replaced text. It must occur exactly once in the file. */
  readonly from: string;
  /** The replacement. */
  readonly to: string;
}

type Fault = Omit<Mutation, "file">;

export function inFile(file: string, faults: readonly Fault[]): Mutation[] {
  return faults.map((fault) => ({ ...fault, file: `${file}.ts` }));
}
